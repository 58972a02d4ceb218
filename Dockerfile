# One image for the API, the workers, beat, Flower and the commands.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock .
RUN python -m venv /opt/acoustid \
    && /opt/acoustid/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE LICENSES.md acoustid.conf.dist celeryconfig.py ./
COPY api api
COPY bench bench
COPY cli cli
COPY docs docs
COPY http_server http_server
COPY index_server index_server
COPY nats_bridge nats_bridge
COPY pipeline pipeline
COPY tasks tasks
RUN /opt/acoustid/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN groupadd --system --gid 10001 acoustid \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent acoustid \
    && install -d -m 700 -o acoustid -g acoustid /var/lib/acoustid/index \
        /var/lib/acoustid/fingerprints /var/lib/acoustid/sketch /var/lib/acoustid/nats \
        /var/lib/acoustid/state /var/cache/acoustid
COPY --from=build /opt/acoustid /opt/acoustid
# The first start compiles the loops for the processor of the host. Only the volume of this directory
# keeps them: the root file system is read-only.
ENV PATH=/opt/acoustid/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/var/cache/acoustid \
    XDG_STATE_HOME=/var/lib/acoustid/state
WORKDIR /var/lib/acoustid
USER 10001:10001
EXPOSE 5000
CMD ["acoustid", "--help"]

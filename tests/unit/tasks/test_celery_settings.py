"""``celeryconfig.py`` defines settings only."""

from celery.app.defaults import SETTING_KEYS

from tasks.application import app

OTHER = {"deprecated_settings"}
"""Celery itself adds this name."""


def test_inspect_conf_shows_settings_only() -> None:
    shown = app.conf.table(with_defaults=False)
    assert "task_queues" in shown
    assert {name for name in shown if not name.startswith("redbeat_")} <= SETTING_KEYS | OTHER

/* Shifts the wall clock of a process by the seconds in a file, for LD_PRELOAD.
 *
 * The file of HOST_CLOCK_FILE contains one double. It is mapped, so that a change applies at once.
 * The monotonic clock stays right, as on a host whose wall clock is set.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <dlfcn.h>

static const long BILLION = 1000000000L;
static const volatile double *shift;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("HOST_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        shift = mapped;
}

static void add(struct timespec *moment, double seconds)
{
    long whole = (long)seconds;
    moment->tv_sec += whole;
    moment->tv_nsec += (long)((seconds - (double)whole) * 1e9);
    if (moment->tv_nsec >= BILLION) {
        moment->tv_nsec -= BILLION;
        moment->tv_sec += 1;
    } else if (moment->tv_nsec < 0) {
        moment->tv_nsec += BILLION;
        moment->tv_sec -= 1;
    }
}

int clock_gettime(clockid_t clock, struct timespec *moment)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, moment);
    if (result == 0 && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        add(moment, *shift);
    return result;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

/* Its end is a time of the shifted clock, but the kernel compares it with the right one. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict end)
{
    static int (*real)(sem_t *, const struct timespec *);
    struct timespec right = *end;
    if (!real)
        real = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    if (shift)
        add(&right, -*shift);
    return real(semaphore, &right);
}

// The threads of model/fused/cpu/decoder_pass.c. Work is a row of stages, each of some tasks that may run at once.
//
// The caller's thread goes through all stages; helpers, woken once for many stages, take tasks where they can. So whoever
// is kept from its core by another program delays one task and not everybody, and OpenMP's setting for waiting does not
// matter here.

#define _GNU_SOURCE
#include <immintrin.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

enum { SPINS = 1000, MOST = 15 };  // more than 15 helpers were never measured

typedef void (*task)(const void *p, const void *of, int64_t i);

static struct {
    pthread_mutex_t busy;
    sem_t wake;
    pthread_t helpers[MOST];
    int64_t hired;
    int seat;  // the core of the caller's thread when the helpers were last given theirs
    atomic_int active;
    atomic_ullong claimed;  // tasks of the stage << 32 | those taken
    atomic_llong done;
    task run;
    const void *p, *of;
} crew = {.busy = PTHREAD_MUTEX_INITIALIZER};

static int one_task(void) {
    unsigned long long seen = atomic_load(&crew.claimed);
    do
        if (seen >> 32 == (seen & UINT32_MAX)) return 0;
    while (!atomic_compare_exchange_weak(&crew.claimed, &seen, seen + 1));
    crew.run(crew.p, crew.of, seen & UINT32_MAX);  // the next stage waits for this
    atomic_fetch_add(&crew.done, 1);
    return 1;
}

static long wait_a_little(long waited) {
    if (waited < SPINS) _mm_pause();
    else sched_yield();
    return waited + 1;
}

static void stage(task run, const void *p, const void *of, int64_t tasks) {
    crew.run = run, crew.p = p, crew.of = of;
    atomic_store(&crew.done, 0);
    atomic_store(&crew.claimed, (unsigned long long)tasks << 32);
    while (one_task()) {}
    for (long waited = 0; atomic_load(&crew.done) < tasks;) waited = wait_a_little(waited);
}

static void *help(void *unused) {
    omp_set_num_threads(1);  // of this thread: bitsandbytes would part each task among as many
    for (;; sem_wait(&crew.wake))
        for (long waited = 0; atomic_load(&crew.active);) waited = one_task() ? 0 : wait_a_little(waited);
    return unused;
}

void hire(int64_t helpers) {  // as many in all
    pthread_mutex_lock(&crew.busy);
    if (!crew.hired) sem_init(&crew.wake, 0, 0);
    while (crew.hired < helpers && crew.hired < MOST && !pthread_create(crew.helpers + crew.hired, NULL, help, NULL))
        crew.hired++;
    crew.seat = -1;
    pthread_mutex_unlock(&crew.busy);
}

// Linux likes to wake a thread on the core of who wakes it, even when another one is idle: each gets its own.
static void take_seats(void) {
    cpu_set_t allowed, own;
    int64_t given = 0;
    crew.seat = sched_getcpu();
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
    for (int i = 1; i < CPU_SETSIZE && given < crew.hired; i++) {
        int core = (crew.seat + i) % CPU_SETSIZE;
        if (!CPU_ISSET(core, &allowed)) continue;
        CPU_ZERO(&own);
        CPU_SET(core, &own);
        pthread_setaffinity_np(crew.helpers[given++], sizeof own, &own);
    }
}

static void begin(void) {
    pthread_mutex_lock(&crew.busy);
    if (sched_getcpu() != crew.seat) take_seats();
    atomic_store(&crew.active, 1);
    for (int64_t i = 0; i < crew.hired; i++) sem_post(&crew.wake);
}

static void end(void) {
    atomic_store(&crew.active, 0);
    pthread_mutex_unlock(&crew.busy);
}

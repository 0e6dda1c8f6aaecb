// The thread pool of model/fused/cpu/decoder_pass.c. Work is a sequence of stages; the tasks of a stage may run at once.
//
// The caller's thread runs every stage. Pool threads wake once for many stages and take the tasks that are free. A thread
// that another program keeps from its core delays one task only, and OpenMP's wait policy does not matter here.

#define _GNU_SOURCE
#include <immintrin.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

enum { SPINS = 1000, MAX_THREADS = 15 };  // more were never measured

typedef void (*task)(const void *p, const void *of, int64_t i);

static struct {
    pthread_mutex_t lock;
    sem_t wake;
    pthread_t threads[MAX_THREADS];
    int64_t started;
    int caller_core;  // the core the caller ran on when the pool's threads were last pinned
    atomic_int active;
    atomic_ullong claimed;  // tasks of the stage << 32 | those taken
    atomic_llong done;
    task run;
    const void *p, *of;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int one_task(void) {
    unsigned long long seen = atomic_load(&pool.claimed);
    do
        if (seen >> 32 == (seen & UINT32_MAX)) return 0;
    while (!atomic_compare_exchange_weak(&pool.claimed, &seen, seen + 1));
    pool.run(pool.p, pool.of, seen & UINT32_MAX);  // the next stage waits for this
    atomic_fetch_add(&pool.done, 1);
    return 1;
}

static long wait_a_little(long waited) {
    if (waited < SPINS) _mm_pause();
    else sched_yield();
    return waited + 1;
}

static void stage(task run, const void *p, const void *of, int64_t tasks) {
    pool.run = run, pool.p = p, pool.of = of;
    atomic_store(&pool.done, 0);
    atomic_store(&pool.claimed, (unsigned long long)tasks << 32);
    while (one_task()) {}
    for (long waited = 0; atomic_load(&pool.done) < tasks;) waited = wait_a_little(waited);
}

static void *run_tasks(void *unused) {
    omp_set_num_threads(1);  // for this thread: bitsandbytes would split each task over that many
    for (;; sem_wait(&pool.wake))
        for (long waited = 0; atomic_load(&pool.active);) waited = one_task() ? 0 : wait_a_little(waited);
    return unused;
}

void start_threads(int64_t threads) {  // the total, not how many more
    pthread_mutex_lock(&pool.lock);
    if (!pool.started) sem_init(&pool.wake, 0, 0);
    while (pool.started < threads && pool.started < MAX_THREADS &&
           !pthread_create(pool.threads + pool.started, NULL, run_tasks, NULL))
        pool.started++;
    pool.caller_core = -1;
    pthread_mutex_unlock(&pool.lock);
}

// Linux often wakes a thread on the waker's core although another core is idle, so each thread gets its own core.
static void pin_threads(void) {
    cpu_set_t allowed, own;
    int64_t pinned = 0;
    pool.caller_core = sched_getcpu();
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
    for (int i = 1; i < CPU_SETSIZE && pinned < pool.started; i++) {
        int core = (pool.caller_core + i) % CPU_SETSIZE;
        if (!CPU_ISSET(core, &allowed)) continue;
        CPU_ZERO(&own);
        CPU_SET(core, &own);
        pthread_setaffinity_np(pool.threads[pinned++], sizeof own, &own);
    }
}

static void begin(void) {
    pthread_mutex_lock(&pool.lock);
    if (sched_getcpu() != pool.caller_core) pin_threads();
    atomic_store(&pool.active, 1);
    for (int64_t i = 0; i < pool.started; i++) sem_post(&pool.wake);
}

static void end(void) {
    atomic_store(&pool.active, 0);
    pthread_mutex_unlock(&pool.lock);
}

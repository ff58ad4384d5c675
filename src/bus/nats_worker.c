#include "bus/nats_worker.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/nats_parts.h"

static void *work(void *context)
{
    struct nats_bus *bus = context;
    struct nats_worker *worker = &bus->worker;
    pthread_mutex_lock(&worker->lock);
    while (!worker->is_stopping || worker->is_busy) {
        if (!worker->is_busy) {
            pthread_cond_wait(&worker->changed, &worker->lock);
            continue;
        }
        struct nats_call call = worker->call;
        pthread_mutex_unlock(&worker->lock);
        call.outcome = call.run(bus, &call);
        bus->library.natsMsg_Destroy(call.message);
        pthread_mutex_lock(&worker->lock);
        worker->call = call;
        worker->is_busy = false;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

bool nats_worker_start(struct nats_bus *bus)
{
    struct nats_worker *worker = &bus->worker;
    pthread_condattr_t attributes;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sigset_t before = nats_block_signals();
    worker->has_thread = pthread_create(&worker->thread, NULL, work, bus) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!worker->has_thread) {
        pthread_cond_destroy(&worker->changed);
        pthread_mutex_destroy(&worker->lock);
    }
    return worker->has_thread;
}

void nats_worker_stop(struct nats_bus *bus)
{
    struct nats_worker *worker = &bus->worker;
    if (!worker->has_thread)
        return;
    pthread_mutex_lock(&worker->lock);
    worker->is_stopping = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
}

/* Waits until the worker is idle, with its lock held. False: it still works at that time. */
static bool wait_for_worker(struct nats_worker *worker, uint64_t end_ms)
{
    struct timespec end = {.tv_sec = (time_t)(end_ms / 1000),
                           .tv_nsec = (long)(end_ms % 1000) * 1000000};
    int status = 0;
    while (worker->is_busy && status == 0)
        status = pthread_cond_timedwait(&worker->changed, &worker->lock, &end);
    return !worker->is_busy;
}

enum bus_outcome nats_worker_run(struct nats_bus *bus, struct nats_call *call)
{
    struct nats_worker *worker = &bus->worker;
    bool has_answer = false;
    call->outcome = BUS_UNKNOWN;
    snprintf(call->why, sizeof call->why, "NATS has not answered in time");
    pthread_mutex_lock(&worker->lock);
    if (wait_for_worker(worker, call->end_ms)) {
        worker->call = *call;
        worker->is_busy = true;
        call->message = NULL;
        pthread_cond_broadcast(&worker->changed);
        has_answer = wait_for_worker(worker, call->end_ms);
    }
    if (has_answer)
        *call = worker->call;
    pthread_mutex_unlock(&worker->lock);
    if (!has_answer)
        bus->library.natsMsg_Destroy(call->message);
    if (call->outcome != BUS_DONE)
        memcpy(bus->bus.why, call->why, sizeof call->why);
    return call->outcome;
}

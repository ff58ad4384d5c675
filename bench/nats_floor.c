/*
 * party-nats-floor: what NATS' own C client makes of a message that goes through nats-server and
 * back, without a relay. Two connections in one process: one publishes, and publishes again when it
 * has the answer; the other one answers. Prints JSON, with times in microseconds.
 *
 *     party-nats-floor nats://127.0.0.1:4222 [SECONDS [BYTES]]
 */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "clock_ns.h"
#include "give_up.h"
#include "histogram.h"

#define ANSWER_PATIENCE_MS 5000
#define BYTES_MAX 65536
#define WARM_UP_ROUND_TRIPS 200
#define NANOSECONDS_PER_US 1000.0
#define PING "party-nats-floor.ping"
#define PONG "party-nats-floor.pong"

static void want(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        give_up("%s: %s", what, natsStatus_GetText(status));
}

static void answer(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                   void *closure)
{
    (void)subscription;
    (void)closure;
    want(natsConnection_Publish(connection, PONG, natsMsg_GetData(message),
                                natsMsg_GetDataLength(message)),
         "an answer");
    natsMsg_Destroy(message);
}

/* Returns the nanoseconds from the message to its answer. */
static uint64_t go_and_return(natsConnection *connection, natsSubscription *answers,
                              const void *data, int length)
{
    natsMsg *message = NULL;
    uint64_t begin_ns = clock_now_ns();
    want(natsConnection_Publish(connection, PING, data, length), "a message");
    want(natsSubscription_NextMsg(&message, answers, ANSWER_PATIENCE_MS), "no answer");
    uint64_t took_ns = clock_now_ns() - begin_ns;
    natsMsg_Destroy(message);
    return took_ns;
}

static double percentile_us(const struct histogram *histogram, double share)
{
    return (double)histogram_percentile(histogram, share) / NANOSECONDS_PER_US;
}

int main(int argument_count, char **arguments)
{
    static const uint8_t data[BYTES_MAX];
    static struct histogram histogram;
    natsOptions *options = NULL;
    natsConnection *near = NULL;
    natsConnection *far = NULL;
    natsSubscription *answers = NULL;
    natsSubscription *questions = NULL;
    double seconds = argument_count > 2 ? atof(arguments[2]) : 5;
    int length = argument_count > 3 ? atoi(arguments[3]) : 126;
    if (argument_count < 2 || seconds <= 0 || length < 0 || length > BYTES_MAX) {
        fprintf(stderr, "usage: party-nats-floor URL [SECONDS [BYTES]]\n");
        return 2;
    }
    want(natsOptions_Create(&options), "options");
    want(natsOptions_SetURL(options, arguments[1]), arguments[1]);
    /* Else the client's own thread would wait 1 ms for more before it sends something. */
    want(natsOptions_SetSendAsap(options, true), "options");
    want(natsConnection_Connect(&near, options), arguments[1]);
    want(natsConnection_Connect(&far, options), arguments[1]);
    want(natsConnection_Subscribe(&questions, far, PING, answer, NULL), "a subscription");
    want(natsConnection_SubscribeSync(&answers, near, PONG), "a subscription");
    want(natsConnection_Flush(far), "a flush");
    for (int i = 0; i < WARM_UP_ROUND_TRIPS; i++)
        go_and_return(near, answers, data, length);
    uint64_t end_ns = clock_now_ns() + (uint64_t)(seconds * (double)NANOSECONDS);
    while (clock_now_ns() < end_ns)
        histogram_add(&histogram, go_and_return(near, answers, data, length));
    printf("{\"p50\":%.6g,\"p90\":%.6g,\"p99\":%.6g,\"count\":%llu}\n",
           percentile_us(&histogram, 0.5), percentile_us(&histogram, 0.9),
           percentile_us(&histogram, 0.99), (unsigned long long)histogram.count);
    natsSubscription_Destroy(questions);
    natsSubscription_Destroy(answers);
    natsConnection_Destroy(far);
    natsConnection_Destroy(near);
    natsOptions_Destroy(options);
    nats_Close();
    return 0;
}

/* Messages between the loops and the bus. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/bundle.h"
#include "server/node_parts.h"
#include "server/remote.h"

_Static_assert(LINK_MESSAGE_BYTES_MAX + BUNDLE_LENGTH_BYTES <= BUS_MESSAGE_MAX,
               "each message of a link has place in a bundle");

/* The subject of the bundles for a loop. */
static void write_subject(char subject[NODE_SUBJECT_MAX], uint64_t incarnation, uint32_t loop)
{
    snprintf(subject, NODE_SUBJECT_MAX, "loop.%016" PRIx64 ".%" PRIu32, incarnation, loop);
}

bool node_outbox_init(struct node_outbox *outbox)
{
    outbox->bundle = malloc(BUS_MESSAGE_MAX);
    if (outbox->bundle == NULL)
        return false;
    if (pthread_mutex_init(&outbox->lock, NULL) == 0) {
        if (node_condition_init(&outbox->changed))
            return true;
        pthread_mutex_destroy(&outbox->lock);
    }
    free(outbox->bundle);
    return false;
}

static void free_letters(struct node_letter *letter)
{
    while (letter != NULL) {
        struct node_letter *next = letter->next;
        free(letter);
        letter = next;
    }
}

void node_outbox_release(struct node_outbox *outbox)
{
    free_letters(outbox->first);
    free(outbox->bundle);
    pthread_cond_destroy(&outbox->changed);
    pthread_mutex_destroy(&outbox->lock);
}

void node_outbox_stop(struct node_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->is_stopping = true;
    pthread_cond_signal(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
}

/* False: too much waits already. */
static bool append(struct node_outbox *outbox, struct node_letter *letter)
{
    pthread_mutex_lock(&outbox->lock);
    bool has_place = letter->length <= NODE_OUT_BYTES_MAX - outbox->bytes;
    if (has_place) {
        if (outbox->last != NULL)
            outbox->last->next = letter;
        else
            outbox->first = letter;
        outbox->last = letter;
        outbox->bytes += letter->length;
        pthread_cond_signal(&outbox->changed);
    }
    pthread_mutex_unlock(&outbox->lock);
    return has_place;
}

static void post(struct node *node, const char *subject, bool is_for_loop, struct bytes message)
{
    struct node_letter *letter = malloc(sizeof *letter + message.length);
    if (letter == NULL)
        return;
    letter->next = NULL;
    letter->is_for_loop = is_for_loop;
    letter->length = message.length;
    snprintf(letter->subject, sizeof letter->subject, "%s", subject);
    memcpy(letter->message, message.data, message.length);
    if (!append(&node->outbox, letter))
        free(letter);
}

void node_post(struct node *node, const char *subject, struct bytes message)
{
    post(node, subject, false, message);
}

/*
 * Always true, also for what is lost at once: its link notices in 2 s, as when the engine loses it.
 * A link that began anew at once would find the same, and so on, in each turn.
 */
bool node_publish(void *context, uint64_t incarnation, uint32_t loop, struct bytes message)
{
    char subject[NODE_SUBJECT_MAX];
    write_subject(subject, incarnation, loop);
    post(context, subject, true, message);
    return true;
}

/* Waits for letters. False: there are none any more, and the sender has to end. */
static bool await_letters(struct node_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    while (outbox->first == NULL && !outbox->is_stopping)
        pthread_cond_wait(&outbox->changed, &outbox->lock);
    bool has_letters = outbox->first != NULL;
    pthread_mutex_unlock(&outbox->lock);
    return has_letters;
}

/*
 * Up to two bursts after a rest go at once. When there are more, each waits for letters to come
 * until the one before it is NODE_BURST_NS old, since a message costs nats-server, and the threads
 * on its way, far more than a letter in it.
 */
static void begin_burst(struct node_outbox *outbox)
{
    uint64_t now = clock_now_ns();
    if (outbox->burst_ns > now) {
        nanosleep(&(struct timespec){.tv_nsec = (long)(outbox->burst_ns - now)}, NULL);
        now = clock_now_ns();
    }
    uint64_t earliest = now - NODE_BURST_NS;
    outbox->burst_ns = NODE_BURST_NS + (outbox->burst_ns > earliest ? outbox->burst_ns : earliest);
}

/* The oldest letters; there is one at least. */
static struct node_letter *take_letters(struct node_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    struct node_letter *letters = outbox->first;
    struct node_letter *last = letters;
    for (uint32_t i = 1; i < NODE_BURST_LETTERS_MAX && last->next != NULL; i++)
        last = last->next;
    outbox->first = last->next;
    outbox->last = outbox->first == NULL ? NULL : outbox->last;
    pthread_mutex_unlock(&outbox->lock);
    last->next = NULL;
    return letters;
}

static struct bytes text_of(const struct node_letter *letter)
{
    return bytes_of(letter->message, letter->length);
}

/*
 * Puts letters of the list into the bundle that are for the same loop as the first one, in order
 * and as many as fit, and frees them. Returns the rest of the list.
 */
static struct node_letter *fill_bundle(struct node_letter *letters, struct writer *bundle)
{
    struct node_letter **at = &letters->next;
    bundle_put(bundle, text_of(letters));
    while (*at != NULL) {
        struct node_letter *letter = *at;
        if (strcmp(letter->subject, letters->subject) != 0) {
            at = &letter->next;
            continue;
        }
        size_t length = bundle->length;
        bundle_put(bundle, text_of(letter));
        if (!writer_fits(bundle)) {
            bundle->length = length;
            break;
        }
        *at = letter->next;
        free(letter);
    }
    return letters->next;
}

/* Sends the first letter, and others in the same message. Returns the rest of the list. */
static struct node_letter *send_first(struct node *node, struct node_letter *letters)
{
    struct writer bundle = writer_over(node->outbox.bundle, BUS_MESSAGE_MAX);
    struct node_letter *rest = letters->next;
    struct bytes message = text_of(letters);
    if (letters->is_for_loop) {
        rest = fill_bundle(letters, &bundle);
        message = writer_view(&bundle);
    }
    /* While there is no connection it is refused, so that nothing goes out late. */
    (void)node->bus->functions->publish(node->bus, letters->subject, message);
    free(letters);
    return rest;
}

static size_t bytes_of_letters(const struct node_letter *letter)
{
    size_t bytes = 0;
    for (; letter != NULL; letter = letter->next)
        bytes += letter->length;
    return bytes;
}

/* As they go out, so that others have their place. */
static void forget_bytes(struct node_outbox *outbox, size_t bytes)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->bytes -= bytes;
    pthread_mutex_unlock(&outbox->lock);
}

static void send_burst(struct node *node)
{
    struct node_letter *letters = take_letters(&node->outbox);
    size_t bytes = bytes_of_letters(letters);
    while (letters != NULL) {
        letters = send_first(node, letters);
        size_t left = bytes_of_letters(letters);
        forget_bytes(&node->outbox, bytes - left);
        bytes = left;
    }
}

void *node_run_sender(void *argument)
{
    struct node *node = argument;
    while (await_letters(&node->outbox)) {
        begin_burst(&node->outbox);
        send_burst(node);
    }
    return NULL;
}

bool node_reader_open(struct node_reader *reader)
{
    struct node *node = reader->node;
    char subject[NODE_SUBJECT_MAX];
    write_subject(subject, node->id.incarnation, reader->loop->index);
    reader->subscription = node->bus->functions->subscribe(node->bus, subject, NODE_IN_MESSAGES_MAX,
                                                           NODE_IN_BYTES_MAX);
    return reader->subscription != NULL;
}

void node_reader_close(struct node_reader *reader)
{
    if (reader->subscription != NULL)
        reader->node->bus->functions->unsubscribe(reader->subscription);
    reader->subscription = NULL;
}

/* A loop that is busy has a bounded part of its mail from the bus. */
static bool has_place(const struct node_reader *reader, size_t bytes)
{
    size_t waiting = reader->posted - atomic_load(&reader->loop->remote_handled);
    return waiting + bytes <= REMOTE_MAIL_BYTES_MAX;
}

static void deliver(struct node_reader *reader, struct bytes letter)
{
    size_t bytes = letter.length + REMOTE_MAIL_OVERHEAD;
    if (!has_place(reader, bytes))
        return;
    struct remote_mail *mail = malloc(sizeof *mail + letter.length);
    if (mail == NULL)
        return;
    mail->mail = (struct mail){.kind = MAIL_REMOTE};
    mail->length = letter.length;
    if (letter.length > 0)
        memcpy(mail->message, letter.data, letter.length);
    reader->posted += bytes;
    mailbox_post(&reader->loop->mailbox, &mail->mail);
}

void *node_run_reader(void *argument)
{
    struct node_reader *reader = argument;
    const struct bus_functions *bus = reader->node->bus->functions;
    enum bus_reading reading = BUS_NOTHING;
    struct bytes bundle;
    struct bytes letter;
    /* Of a gap nobody is told: links count their messages. */
    while (reading != BUS_CLOSED && !atomic_load(&reader->node->is_stopping)) {
        reading = bus->read(reader->subscription, NODE_READ_MS, &bundle);
        uint32_t left = reading == BUS_MESSAGE ? NODE_BURST_LETTERS_MAX : 0;
        for (; left > 0 && bundle_next(&bundle, &letter); left--)
            deliver(reader, letter);
    }
    return NULL;
}

/* Messages between the loops and the bus. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/node_parts.h"
#include "server/remote.h"

/* The subject of the messages to a loop. */
static void write_subject(char subject[NODE_SUBJECT_MAX], uint64_t incarnation, uint32_t loop)
{
    snprintf(subject, NODE_SUBJECT_MAX, "loop.%016" PRIx64 ".%" PRIu32, incarnation, loop);
}

bool node_outbox_init(struct node_outbox *outbox)
{
    if (pthread_mutex_init(&outbox->lock, NULL) != 0)
        return false;
    if (node_condition_init(&outbox->changed))
        return true;
    pthread_mutex_destroy(&outbox->lock);
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

void node_post(struct node *node, const char *subject, struct bytes message)
{
    struct node_letter *letter = malloc(sizeof *letter + message.length);
    if (letter == NULL)
        return;
    letter->next = NULL;
    letter->length = message.length;
    snprintf(letter->subject, sizeof letter->subject, "%s", subject);
    memcpy(letter->message, message.data, message.length);
    if (!append(&node->outbox, letter))
        free(letter);
}

/*
 * Always true, also for what is lost at once: its link notices in 2 s, as when the engine loses it.
 * A link that began anew at once would find the same, and so on, in each turn.
 */
bool node_publish(void *context, uint64_t incarnation, uint32_t loop, struct bytes message)
{
    char subject[NODE_SUBJECT_MAX];
    write_subject(subject, incarnation, loop);
    node_post(context, subject, message);
    return true;
}

/* Takes the oldest letter. NULL: there is none any more, and the sender has to end. */
static struct node_letter *take_letter(struct node_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    while (outbox->first == NULL && !outbox->is_stopping)
        pthread_cond_wait(&outbox->changed, &outbox->lock);
    struct node_letter *letter = outbox->first;
    if (letter != NULL) {
        outbox->first = letter->next;
        outbox->last = outbox->first == NULL ? NULL : outbox->last;
        outbox->bytes -= letter->length;
    }
    pthread_mutex_unlock(&outbox->lock);
    return letter;
}

void *node_run_sender(void *argument)
{
    struct node *node = argument;
    struct node_letter *letter;
    while ((letter = take_letter(&node->outbox)) != NULL) {
        /* While there is no connection it is refused, so that nothing goes out late. */
        (void)node->bus->functions->publish(node->bus, letter->subject,
                                            bytes_of(letter->message, letter->length));
        free(letter);
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

static void deliver(struct node_reader *reader, struct bytes text)
{
    size_t bytes = text.length + REMOTE_MAIL_OVERHEAD;
    if (!has_place(reader, bytes))
        return;
    struct remote_mail *mail = malloc(sizeof *mail + text.length);
    if (mail == NULL)
        return;
    mail->mail = (struct mail){.kind = MAIL_REMOTE};
    mail->length = text.length;
    if (text.length > 0)
        memcpy(mail->message, text.data, text.length);
    reader->posted += bytes;
    mailbox_post(&reader->loop->mailbox, &mail->mail);
}

void *node_run_reader(void *argument)
{
    struct node_reader *reader = argument;
    const struct bus_functions *bus = reader->node->bus->functions;
    enum bus_reading reading = BUS_NOTHING;
    struct bytes text;
    /* Of a gap nobody is told: links count their messages. */
    while (reading != BUS_CLOSED && !atomic_load(&reader->node->is_stopping)) {
        reading = bus->read(reader->subscription, NODE_READ_MS, &text);
        if (reading == BUS_MESSAGE)
            deliver(reader, text);
    }
    return NULL;
}

/* A locked queue with an eventfd. Mail is rare (moves, snapshots), so a lock is good enough. */
#include "net/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    return mailbox->wake_fd >= 0 && pthread_mutex_init(&mailbox->lock, NULL) == 0;
}

void mailbox_release(struct mailbox *mailbox)
{
    if (mailbox->wake_fd >= 0)
        close(mailbox->wake_fd);
    pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = mailbox->first == NULL;
    if (was_empty)
        mailbox->first = mail;
    else
        mailbox->last->next = mail;
    mailbox->last = mail;
    pthread_mutex_unlock(&mailbox->lock);

    uint64_t one = 1;
    if (was_empty && write(mailbox->wake_fd, &one, sizeof one) < 0)
        return; /* the counter is full: the descriptor is readable all the same */
}

struct mail *mailbox_take_all(struct mailbox *mailbox)
{
    uint64_t count;
    if (read(mailbox->wake_fd, &count, sizeof count) < 0)
        count = 0; /* nobody woke us; there may be mail whose waking is still under way */
    pthread_mutex_lock(&mailbox->lock);
    struct mail *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

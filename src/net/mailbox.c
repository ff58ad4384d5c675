/* A locked queue with an eventfd. Mail is rare (moves, snapshots), so a lock is fast enough. */
#include "net/mailbox.h"

bool mailbox_init(struct mailbox *mailbox, const struct kernel *kernel)
{
    *mailbox = (struct mailbox){.kernel = kernel, .wake_fd = kernel->wake_new()};
    return mailbox->wake_fd >= 0 && pthread_mutex_init(&mailbox->lock, NULL) == 0;
}

void mailbox_release(struct mailbox *mailbox)
{
    if (mailbox->wake_fd >= 0)
        mailbox->kernel->wake_free(mailbox->wake_fd);
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
    if (was_empty)
        mailbox->kernel->wake_post(mailbox->wake_fd);
}

struct mail *mailbox_take_all(struct mailbox *mailbox)
{
    mailbox->kernel->wake_read(
        mailbox->wake_fd); /* another thread may post it later than its mail */
    pthread_mutex_lock(&mailbox->lock);
    struct mail *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

/*
 * Intrusive doubly linked lists, circular through a head, as in BSD and Linux.
 *
 * The object contains its link, so appending can't fail, and removing needs no search. A link that
 * is in no list points to itself.
 */
#ifndef PARTY_BASE_LIST_H
#define PARTY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

struct list {
    struct list *previous;
    struct list *next;
};

static inline void list_init(struct list *list)
{
    list->previous = list;
    list->next = list;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

/* Removes the link from its list; does nothing if it is in none. */
static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* Removes the first link and returns it; NULL: the list is empty. */
static inline struct list *list_pop_first(struct list *head)
{
    struct list *first = head->next;
    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* Visits each link in order; the body must not remove any. */
#define LIST_FOR_EACH(link, head) \
    for (struct list *link = (head)->next; link != (head); link = link->next)

#endif

/*
 * What goes into a server and comes out of it, for the witness of protocol 3 (recovery/): which
 * message of which connection the relay handles when, and what it tells whom by that. The program
 * is linked with --wrap, so that the calls between the files of the server come by here.
 */
#ifndef PARTY_TESTS_TAP_H
#define PARTY_TESTS_TAP_H

#include "network.h"
#include "recovery/recovery_witness.h"

struct tap_text;

/* A connection, as the server sees it. */
struct tap_line {
    struct link_watch watch;
    struct witness *witness;
    uint32_t connection;    /* its number at the witness */
    bool has_entered;       /* a home knows of it, which then says when it has ended */
    bool has_left;          /* the relay knows that it has ended */
    uint16_t closed_with;   /* the code with which the server has closed it; 0: it has not */
    char *entry;            /* the last `create` or `join`, owned */
    struct tap_text *first; /* told, and not taken */
    struct tap_text *last;
};

/* Begins with no witness. */
void tap_begin(void);

/* The witness is told what the server does by itself; it must outlive the servers. */
void tap_add_witness(struct witness *witness);

/* A player opens a connection. `line` is over, or new and zeroed, and must outlive the network. */
void tap_open(struct tap_line *line, struct link *link, struct witness *witness,
              uint32_t connection, uint32_t player);

/* The player takes the text that it was told. False: the server has told it something else. */
bool tap_take(struct tap_line *line, struct bytes text);

/* Whether the player has taken all that it was told. */
bool tap_is_empty(const struct tap_line *line);

/* The first text that it was told and has not taken. */
const char *tap_first(const struct tap_line *line);

void tap_release(struct tap_line *line);

/* The text that says the same as a binary message to a client, or to the server; to be freed. */
char *tap_text_to_client(struct bytes message);
char *tap_text_to_server(struct bytes message);

#endif

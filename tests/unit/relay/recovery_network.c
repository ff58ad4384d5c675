#include "relay/recovery_network.h"

#include <stdio.h>
#include <stdlib.h>

#include "relay/relay_model_parts.h"

#define QUEUE_AT_FIRST 16

static void push(struct network_queue *queue, struct bytes text, const struct witness_mark *mark)
{
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? QUEUE_AT_FIRST : 2 * queue->capacity;
        queue->texts = realloc(queue->texts, queue->capacity * sizeof *queue->texts);
        assert_non_null(queue->texts);
    }
    struct network_text *last = &queue->texts[queue->count++];
    last->text = strndup((const char *)text.data, text.length);
    assert_non_null(last->text);
    last->mark = mark == NULL ? (struct witness_mark){0} : *mark;
}

/* The oldest text; the caller frees it. */
static struct network_text pop(struct network_queue *queue)
{
    struct network_text first = queue->texts[0];
    queue->count--;
    memmove(queue->texts, queue->texts + 1, queue->count * sizeof *queue->texts);
    return first;
}

static void truncate_queue(struct network_queue *queue, uint32_t count)
{
    while (queue->count > count)
        free(queue->texts[--queue->count].text);
}

static void trace(const struct network *network, uint32_t connection, const char *what,
                  struct bytes text)
{
    if (network->has_trace)
        printf("# player %u, connection %u %s %.*s\n", network->links[connection].player,
               connection, what, (int)text.length, text.data);
}

static void told(void *context, uint32_t connection, struct bytes text)
{
    struct network *network = context;
    struct network_link *link = &network->links[connection];
    trace(network, connection, link->is_given_up ? "(gone) <-" : "<-", text);
    promise(network->witness->verdict, link->is_open, "a text on a connection that is over");
    struct witness_mark mark = witness_told(network->witness, connection, text);
    if (!link->is_given_up)
        push(&link->down, text, &mark);
}

static void release_link(struct network_link *link)
{
    truncate_queue(&link->up, 0);
    truncate_queue(&link->down, 0);
    link->is_used = false;
}

static void closed(void *context, uint32_t connection, uint16_t code)
{
    struct network *network = context;
    struct network_link *link = &network->links[connection];
    trace(network, connection, "is closed by the server", BYTES(""));
    promise(network->witness->verdict, link->is_open, "the end of a connection that is over");
    witness_server_closed(network->witness, connection, code);
    link->is_open = false;
    link->close_code = code;
    truncate_queue(&link->up, 0);
    if (link->is_given_up)
        release_link(link);
}

void network_init(struct network *network, struct recovery_server *server, struct witness *witness,
                  struct player *players, bool has_trace)
{
    memset(network, 0, sizeof *network);
    network->server = server;
    network->witness = witness;
    network->players = players;
    network->has_trace = has_trace;
    network->hearer = (struct recovery_hearer){told, closed, network};
    server->hearer = &network->hearer;
}

void network_release(struct network *network)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        release_link(&network->links[i]);
        free(network->links[i].up.texts);
        free(network->links[i].down.texts);
    }
    network->server->hearer = NULL;
}

/* The server sees that a connection which was given up is over. */
static void end_link(struct network *network, uint32_t connection)
{
    struct network_link *link = &network->links[connection];
    trace(network, connection, "is over", BYTES(""));
    witness_closed(network->witness, connection, link->close_code);
    network->server->close(network->server->context, connection, link->close_code);
    link->is_open = false;
    release_link(link);
}

/* Whatever players have given up, oldest number first, if nothing is free. */
static uint32_t find_place(struct network *network)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (!network->links[i].is_used)
            return i;
    }
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (network->links[i].is_given_up) {
            end_link(network, i);
            return i;
        }
    }
    fail_msg("more connections than players may have");
    return RECOVERY_NONE;
}

uint32_t network_open(struct network *network, uint32_t player)
{
    uint32_t place = find_place(network);
    struct network_link *link = &network->links[place];
    *link = (struct network_link){
        .is_used = true,
        .is_open = true,
        .player = player,
        .session = network->players[player].session,
        .up = link->up,
        .down = link->down,
    };
    witness_opened(network->witness, place, player);
    network->server->open(network->server->context, place);
    return place;
}

void network_say(struct network *network, uint32_t connection, const char *text)
{
    struct network_link *link = &network->links[connection];
    if (link->is_open)
        push(&link->up, bytes_of_string(text), NULL);
}

/* The number at the end of a player's session; 0: the text has none. */
static uint32_t session_of(struct bytes text)
{
    char session[TEXT_STRING_MAX];
    text_string(text, "session", session);
    return session[0] == '\0' ? 0 : (uint32_t)strtoul(strrchr(session, '-') + 1, NULL, 10) % 1000;
}

/* Sessions before this one that the server has not heard of must not come later. */
static void drop_unknown_sessions(struct network *network, uint32_t player, uint32_t session)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        struct network_link *link = &network->links[i];
        bool is_old = link->is_used && link->is_given_up && link->player == player;
        if (!is_old || link->up.count == 0)
            continue;
        uint32_t other = session_of(bytes_of_string(link->up.texts[0].text));
        if (other != 0 && other < session && !network->is_session_known[player][other])
            truncate_queue(&link->up, 0);
    }
}

static void note_session(struct network *network, uint32_t player, struct bytes text)
{
    uint32_t session = session_of(text);
    if (session == 0 || !text_has_string(text, "type", "join"))
        return;
    network->is_session_known[player][session] = !network->server->forgets_sessions;
    if (!network->server->orders_sessions)
        drop_unknown_sessions(network, player, session);
}

bool network_deliver_up(struct network *network, uint32_t connection)
{
    struct network_link *link = &network->links[connection];
    if (!link->is_used || !link->is_open)
        return false;
    if (link->up.count == 0 && link->will_close) {
        end_link(network, connection);
        return true;
    }
    if (link->up.count == 0)
        return false;
    struct network_text first = pop(&link->up);
    struct bytes text = bytes_of_string(first.text);
    trace(network, connection, link->is_given_up ? "(gone) ->" : "->", text);
    witness_before_input(network->witness, connection, text);
    network->server->receive(network->server->context, connection, text);
    witness_after_input(network->witness);
    note_session(network, link->player, text);
    free(first.text);
    return true;
}

bool network_deliver_down(struct network *network, uint32_t connection)
{
    struct network_link *link = &network->links[connection];
    struct player *player = &network->players[link->player];
    if (!link->is_used || link->is_given_up)
        return false;
    if (link->down.count > 0) {
        struct network_text first = pop(&link->down);
        struct bytes text = bytes_of_string(first.text);
        trace(network, connection, "takes", text);
        witness_took(network->witness, &first.mark, text);
        player_take(player, text);
        link->session = player->session;
        free(first.text);
        return true;
    }
    if (link->is_open)
        return false;
    player_closed(player, link->close_code);
    release_link(link);
    return true;
}

void network_cut(struct network *network, uint32_t connection, uint32_t arriving, bool will_close,
                 uint16_t code)
{
    struct network_link *link = &network->links[connection];
    trace(network, connection, "is given up", BYTES(""));
    truncate_queue(&link->up, arriving);
    truncate_queue(&link->down, 0);
    link->is_given_up = true;
    link->will_close = will_close;
    link->close_code = code;
    if (!link->is_open)
        release_link(link);
}

void network_heal(struct network *network)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (network->links[i].is_used && network->links[i].is_given_up)
            end_link(network, i);
    }
}

void network_crash(struct network *network)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        if (network->links[i].is_used)
            release_link(&network->links[i]);
        network->links[i].is_open = false;
    }
}

void network_lose_down(struct network *network, uint32_t connection, uint32_t count)
{
    truncate_queue(&network->links[connection].down, count);
}

void network_drop_sessions(struct network *network, uint32_t player, uint32_t session)
{
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        struct network_link *link = &network->links[i];
        if (link->is_used && link->is_given_up && link->player == player && link->session < session)
            truncate_queue(&link->up, 0);
    }
}

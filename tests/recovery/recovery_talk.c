#include "recovery/recovery_talk.h"

#include <stdlib.h>

#define LISTED_MAX 4

static uint32_t below(const struct talk *talk, uint32_t bound)
{
    return talk->below(talk->context, bound);
}

static bool is_one_in(const struct talk *talk, uint32_t count)
{
    return below(talk, count) == 0;
}

/* What somebody knows who has no picture of the room but indices. */
static uint32_t any_index(const struct talk *talk, const struct player *player)
{
    return below(talk, player->highest + 2);
}

/* A `to`, to be freed; NULL: everybody else. */
static char *any_target(const struct talk *talk, const struct player *player)
{
    uint32_t way = below(talk, 12);
    if (way < 5)
        return NULL;
    if (way < 7)
        return text_format("%u", any_index(talk, player));
    if (way == 7)
        return text_format("%u", player->index);
    if (way < 10)
        return text_format("\"host\"");
    char *list = text_format("[%u", any_index(talk, player));
    for (uint32_t i = below(talk, LISTED_MAX); i > 0; i--) {
        char *longer = text_format("%s,%u", list, any_index(talk, player));
        free(list);
        list = longer;
    }
    char *whole = text_format("%s]", list);
    free(list);
    return whole;
}

static void say_message(const struct talk *talk, struct player *player, bool is_volatile)
{
    char *to = any_target(talk, player);
    bool is_large = talk->large_bytes != 0 && is_one_in(talk, 60);
    player_send(player, to, is_volatile && !is_large, is_large ? talk->large_bytes : 0);
    free(to);
}

static void say_fault(const struct talk *talk, struct player *player)
{
    static const char *const faults[] = {
        "nonsense",
        "{\"type\":\"dance\"}",
        "{\"type\":\"send\",\"to\":\"nobody\",\"data\":0}",
        "{\"type\":\"join\",\"clientId\":\"the-secret-of-client-0\",\"room\":\"NOWHERE\"}",
    };
    player_say(player, text_format("%s", faults[below(talk, ARRAY_LENGTH(faults))]));
}

/* What hosts say; now and then somebody says so who is none. */
static void say_as_host(const struct talk *talk, struct player *player)
{
    bool is_host = player->knows && player->host == player->index;
    uint32_t lacks = talk->lacks;
    if (!is_host && !is_one_in(talk, 10))
        return;
    uint32_t way = below(talk, 20);
    uint32_t index = any_index(talk, player);
    if (way < 12)
        player_set_state(player);
    else if (way < 15 && (lacks & LACKS_SET_ROOM) == 0)
        player_say(player, text_format("{\"type\":\"set_room\",\"maxClients\":%u}",
                                       RECOVERY_PLAYERS + below(talk, 3)));
    else if (way < 18 && (lacks & LACKS_SET_HOST) == 0)
        player_say(player, text_format("{\"type\":\"set_host\",\"index\":%u}", index));
    else if ((lacks & LACKS_KICK) == 0)
        player_say(player, text_format("{\"type\":\"kick\",\"index\":%u}", index));
}

void talk_some(const struct talk *talk, struct player *player, uint32_t choice)
{
    if (choice < 14)
        say_message(talk, player, false);
    else if (choice < 19)
        say_message(talk, player, true);
    else if (choice < 21)
        say_fault(talk, player);
    else if (choice < 24)
        say_as_host(talk, player);
    else if (player->is_seated)
        player_ping(player);
}

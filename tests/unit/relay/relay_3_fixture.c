/* Clients of protocol 3 say what they must say. */
#include "relay/relay_3_fixture.h"

#include <stdlib.h>

static char letter_of(uint32_t client)
{
    return (char)('`' + client);
}

static const char *id_of(uint32_t client)
{
    static char id[17];
    memset(id, letter_of(client), 16);
    return id;
}

void create_3(struct world *world, uint32_t client, const char *more)
{
    say_format(world, client,
               "{\"type\":\"create\",\"clientId\":\"%s\",\"session\":\"session-%c\","
               "\"maxClients\":4%s}",
               id_of(client), letter_of(client), more);
}

void join_as(struct world *world, uint32_t client, uint32_t as, uint32_t attempt, const char *more)
{
    say_format(world, client,
               "{\"type\":\"join\",\"clientId\":\"%s\",\"session\":\"session-%c\","
               "\"attempt\":%u,\"room\":\"BBBC\"%s}",
               id_of(as), letter_of(as), attempt, more);
}

void join_3(struct world *world, uint32_t client, const char *more)
{
    join_as(world, client, client, 1, more);
}

void init_party_3(struct world *world, uint32_t members, const char *more)
{
    world_init_3(world);
    create_3(world, 1, more);
    for (uint32_t client = 2; client <= members; client++)
        join_3(world, client, "");
    forget_texts(world);
}

void expect_begin(struct world *world, uint32_t number, const char *begin)
{
    struct fake_client *client = &world->clients[number];
    if (client->text_count == 0)
        fail_msg("client %u heard nothing, but should have heard %s", number, begin);
    char *heard = client->texts[0];
    client->text_count--;
    memmove(client->texts, client->texts + 1, client->text_count * sizeof client->texts[0]);
    if (strncmp(heard, begin, strlen(begin)) != 0)
        fail_msg("client %u heard %s instead of %s", number, heard, begin);
    free(heard);
}

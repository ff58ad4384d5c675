/*
 * Random clients of protocol 3 against the model of its rooms, on one loop and over several, with
 * logs that keep everything and with small ones.
 *
 * SEED=<number> in the environment plays that seed alone; SEEDS=<number> plays so many seeds of the
 * clock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "relay/relay_model_3.h"

#define SEEDS 30
#define STEPS 700
#define FIXED_SEED 1
#define CLIENTS 20
#define PEOPLE 9 /* one more than a room has seats */
#define HOT_ROOMS 3
#define TEXT_BYTES_MAX 4096

#define LETTERS_60 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567"
#define SEVENS_16 "7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7"
#define LONGEST_REASON ",\"reason\":\"" LETTERS_60 LETTERS_60 "\\u00e9b\"" /* 123 bytes */

struct simulation {
    struct model_3 model;
    uint32_t message_count; /* each message has data of its own */
    uint32_t attempts;
    uint32_t visitors; /* each has an id of its own, and each page that was loaded anew a session */
    uint64_t random_state;
};

#define CHOOSE(simulation, table) ((table)[random_below((simulation), ARRAY_LENGTH(table))])

static uint32_t random_below(struct simulation *simulation, uint32_t bound)
{
    return random_next(&simulation->random_state) % bound;
}

static bool one_in(struct simulation *simulation, uint32_t count)
{
    return random_below(simulation, count) == 0;
}

PRINTF_LIKE(3, 4)
static void say_in_model(struct simulation *simulation, uint32_t client, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof text - 1);
    model_3_say(&simulation->model, client, bytes_of(text, (size_t)length));
}

/* Mostly one that is there, and mostly one of a few. */
static const struct model_3_room *any_room(struct simulation *simulation)
{
    const struct model_3 *model = &simulation->model;
    uint32_t hot = 0;
    if (one_in(simulation, 20))
        return &model->rooms[random_below(simulation, MODEL_3_ROOMS_MAX)];
    uint32_t wanted = random_below(simulation, one_in(simulation, 5) ? 12 : HOT_ROOMS);
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && hot++ == wanted)
            return &model->rooms[i];
    }
    return &model->rooms[0];
}

/* The client of one of the members who are connected, or any client. */
static uint32_t any_client_of(struct simulation *simulation, const struct model_3_room *room)
{
    if (room->is_live && room->member_count > 0) {
        uint32_t at = random_below(simulation, room->member_count);
        if (room->members[at].client != MODEL_3_NONE)
            return room->members[at].client;
    }
    return random_below(simulation, CLIENTS);
}

/* Mostly the host's. */
static uint32_t host_of(struct simulation *simulation, const struct model_3_room *room)
{
    for (uint32_t i = 0; !one_in(simulation, 10) && i < room->member_count; i++) {
        if (room->members[i].index == room->host && room->members[i].client != MODEL_3_NONE)
            return room->members[i].client;
    }
    return any_client_of(simulation, room);
}

static uint32_t idle_client(struct simulation *simulation)
{
    uint32_t client = random_below(simulation, CLIENTS);
    for (uint32_t i = 0; i < 8 && simulation->model.clients[client].room != NULL; i++)
        client = random_below(simulation, CLIENTS);
    return client;
}

/* An index that somebody of the room may have. */
static uint32_t any_index(struct simulation *simulation, const struct model_3_room *room)
{
    if (!room->is_live || room->member_count == 0 || one_in(simulation, 10))
        return random_below(simulation, 20);
    uint32_t index = room->members[random_below(simulation, room->member_count)].index;
    return index == MODEL_3_NONE ? 0 : index;
}

/* Mostly a higher one than before. */
static uint32_t any_attempt(struct simulation *simulation)
{
    if (one_in(simulation, 12))
        return 1 + random_below(simulation, simulation->attempts + 1);
    return ++simulation->attempts;
}

static void step_create(struct simulation *simulation)
{
    static const char *const wishes[] = {
        "",
        ",\"onHostLeft\":\"close\",\"maxAudience\":1",
        ",\"onHostLeft\":\"migrate\"",
        ",\"onHostLeft\":\"migrate\",\"maxAudience\":8",
        ",\"onHostLeft\":\"migrate\",\"maxAudience\":2.5,\"hold\":600",
        ",\"onHostLeft\":\"migrate\",\"hold\":0,\"maxAudience\":3",
        ",\"hold\":7.5,\"password\":\"p\",\"maxAudience\":2",
        ",\"url\":\"http://10.0.0.1/{room}\"",
        ",\"url\":\"https://{instance}.a/\\\"#{room}\",\"onHostLeft\":\"migrate\",\"hold\":300",
    };
    uint32_t person = random_below(simulation, PEOPLE);
    uint32_t session = random_below(simulation, 3);
    uint32_t seats = 1 + random_below(simulation, WORLD_MEMBERS_MAX);
    const char *token = one_in(simulation, 3) ? "" : ",\"token\":\"" MODEL_3_TOKEN "\"";
    say_in_model(simulation, idle_client(simulation),
                 "{\"type\":\"create\",\"clientId\":\"person number %03u\",\"session\":\"session "
                 "%u\",\"maxClients\":%u%s%s}",
                 person, session, seats, token, CHOOSE(simulation, wishes));
}

/* The member that a person is in a room; NULL: it has no seat. */
static const struct model_3_member *find_person(const struct model_3_room *room, uint32_t person)
{
    char id[32];
    snprintf(id, sizeof id, "person number %03u", person);
    for (uint32_t i = 0; room->is_live && i < room->member_count; i++) {
        const struct model_3_member *member = &room->members[i];
        if (strcmp(member->id, id) == 0 && member->index != MODEL_3_NONE)
            return member;
    }
    return NULL;
}

/* An epoch that a join may name: mostly that of the seat. */
static const char *any_epoch(struct simulation *simulation, const struct model_3_room *room,
                             const struct model_3_member *member)
{
    bool has_kicked = room->is_live && room->kicked.count > 0;
    if (has_kicked && one_in(simulation, 6))
        return room->kicked.names[random_below(simulation, room->kicked.count)] + 1;
    bool was_restarted = member != NULL && member->lost_epoch[0] != '\0';
    if (was_restarted && one_in(simulation, 3))
        return member->lost_epoch;
    if (room->is_live && one_in(simulation, 30))
        return room->members[random_below(simulation, room->member_count)].epoch;
    return member == NULL ? "0123456789abcdef" : member->epoch;
}

/* What its client has seen: mostly what may be true. */
static uint64_t any_seen(struct simulation *simulation, const struct model_3_member *member)
{
    if (member == NULL || one_in(simulation, 12))
        return random_below(simulation, 40);
    if (member->confirmed > 0 && one_in(simulation, 12))
        return member->confirmed - 1;
    uint64_t missed = member->event_count - member->confirmed;
    return member->confirmed + random_below(simulation, (uint32_t)missed + 2);
}

/* What a person says in a join of what it knows. */
static void choose_counts(struct simulation *simulation, const struct model_3_room *room,
                          const struct model_3_member *member, char ret_fields[128])
{
    char epoch[MODEL_3_EPOCH_DIGITS + 1];
    snprintf(epoch, sizeof epoch, "%s", any_epoch(simulation, room, member));
    uint64_t seen = any_seen(simulation, member);
    uint32_t way = random_below(simulation, 16);
    for (char *at = epoch; way == 2 && *at != '\0'; at++)
        *at = (char)ascii_upper((uint8_t)*at);
    ret_fields[0] = '\0';
    if (way > 1)
        snprintf(ret_fields, 128, ",\"epoch\":\"%s\",\"seen\":%" PRIu64, epoch, seen);
    else if (way == 1)
        snprintf(ret_fields, 128, ",\"epoch\":\"%s\"", epoch);
}

/* Mostly that of the last join, or a new one. */
static void choose_session(struct simulation *simulation, const struct model_3_member *member,
                           char ret_session[16])
{
    bool is_known = member != NULL && one_in(simulation, 2);
    snprintf(ret_session, 16, "session %u", random_below(simulation, 7));
    if (is_known && member->sessions[0] != NULL)
        snprintf(ret_session, 16, "%s", member->sessions[0]);
}

/* The room's code as it is, in small letters, or with hyphens. */
static void spell_code(struct simulation *simulation, const char *code, char ret_text[32])
{
    uint32_t way = random_below(simulation, 4);
    size_t length = 0;
    for (; *code != '\0'; code++) {
        if (way == 2)
            ret_text[length++] = '-';
        ret_text[length++] = (char)(way == 1 ? ascii_lower((uint8_t)*code) : *code);
    }
    ret_text[length] = '\0';
}

static void step_join(struct simulation *simulation)
{
    static const char *const more[] = {
        "",
        "",
        "",
        "",
        ",\"role\":\"audience\"",
        ",\"role\":\"audience\"",
        ",\"password\":\"p\"",
        ",\"password\":\"p\"",
        ",\"password\":\"q\"",
        ",\"password\":\"\\u0070\",\"role\":\"audience\"",
        ",\"password\":null",
    };
    const struct model_3_room *room = any_room(simulation);
    uint32_t person = random_below(simulation, PEOPLE);
    const struct model_3_member *member = find_person(room, person);
    const char *code = room->code;
    char fields[128];
    char spelled[32];
    char session[16];
    choose_counts(simulation, room, member, fields);
    choose_session(simulation, member, session);
    if (one_in(simulation, 60))
        code = simulation->model.foreign_codes[random_below(simulation, MODEL_3_FOREIGNERS)];
    spell_code(simulation, code, spelled);
    uint32_t attempt = any_attempt(simulation);
    if (member != NULL && member->attempt > 0 && one_in(simulation, 12))
        attempt = (uint32_t)member->attempt;
    say_in_model(simulation, idle_client(simulation),
                 "{\"type\":\"join\",\"clientId\":\"person number %03u\",\"session\":\"%s\","
                 "\"attempt\":%u,\"room\":\"%s\"%s%s}",
                 person, session, attempt, spelled, fields, CHOOSE(simulation, more));
}

static void send_one(struct simulation *simulation, const struct model_3_room *room)
{
    static const char *const more[] = {"",
                                       "",
                                       "",
                                       ",\"volatile\":true",
                                       ",\"volatile\":true",
                                       ",\"to\":\"host\"",
                                       ",\"to\":\"host\",\"volatile\":true",
                                       ",\"to\":[0,1,2,2,9,\"0\",-0]",
                                       ",\"to\":[1,2],\"volatile\":true"};
    uint32_t client = any_client_of(simulation, room);
    uint32_t number = ++simulation->message_count;
    uint32_t way = random_below(simulation, 4);
    if (way == 0)
        say_in_model(simulation, client, "{\"type\":\"send\",\"to\":%u,\"data\":[%u,%u]}",
                     any_index(simulation, room), client, number);
    else
        say_in_model(simulation, client, "{\"type\":\"send\",\"data\":[%u,%u]%s}", client, number,
                     CHOOSE(simulation, more));
}

/* To as many as one message may name, or one too many, some of them twice. */
static void send_to_many(struct simulation *simulation, const struct model_3_room *room)
{
    const char *last = one_in(simulation, 2) ? "" : ",2";
    say_in_model(simulation, any_client_of(simulation, room),
                 "{\"type\":\"send\",\"to\":[0,1,2,3,4,5,6,7,0,1,2,3,4,5,6,7," SEVENS_16
                 "," SEVENS_16 "," SEVENS_16 "%s]}",
                 last);
}

/* Some in a row, by whoever is there. */
static void step_send(struct simulation *simulation)
{
    const struct model_3_room *room = any_room(simulation);
    bool are_volatile = one_in(simulation, 4);
    if (one_in(simulation, 20))
        send_to_many(simulation, room);
    for (uint32_t i = random_below(simulation, 4); i < 4; i++) {
        if (are_volatile)
            say_in_model(simulation, any_client_of(simulation, room),
                         "{\"type\":\"send\",\"volatile\":true}");
        else
            send_one(simulation, room);
    }
}

static void step_binary(struct simulation *simulation)
{
    static const uint8_t heads[] = {0, 1, 2, 128, 129, 130, 3};
    const struct model_3_room *room = any_room(simulation);
    uint8_t message[16] = {CHOOSE(simulation, heads)};
    size_t length = random_below(simulation, sizeof message + 1);
    for (size_t i = 1; i < sizeof message; i++)
        message[i] = (uint8_t)random_below(simulation, 256);
    if (message[0] % 128 == 1 && !one_in(simulation, 8)) {
        message[1] = message[2] = message[3] = 0;
        message[4] = (uint8_t)any_index(simulation, room);
    }
    model_3_say_binary(&simulation->model, any_client_of(simulation, room),
                       bytes_of(message, length));
}

static void step_ping(struct simulation *simulation)
{
    const struct model_3_room *room = any_room(simulation);
    if (!room->is_live)
        return;
    const struct model_3_member *member =
        &room->members[random_below(simulation, room->member_count)];
    uint32_t client = member->client == MODEL_3_NONE ? 0 : member->client;
    uint64_t seen = random_below(simulation, (uint32_t)member->event_count + 2);
    if (one_in(simulation, 6))
        say_in_model(simulation, client, "{\"type\":\"ping\"}");
    else
        say_in_model(simulation, client, "{\"type\":\"ping\",\"seen\":%" PRIu64 "}", seen);
}

static void step_host(struct simulation *simulation)
{
    static const char *const messages[] = {
        "\"set_room\",\"locked\":true",
        "\"set_room\",\"locked\":false",
        "\"set_room\",\"locked\":false,\"password\":null",
        "\"set_room\",\"locked\":false,\"password\":null,\"maxClients\":8,\"maxAudience\":8",
        "\"set_room\",\"maxClients\":1.5,\"maxAudience\":1",
        "\"set_room\",\"maxAudience\":0,\"password\":\"p\"",
        "\"mute_audience\",\"muted\":true",
        "\"mute_audience\",\"muted\":false",
        "\"mute_audience\",\"muted\":false",
    };
    static const char *const kicks[] = {"", ",\"ban\":true", ",\"reason\":\"\\u0000\\n\\u00e9\"",
                                        ",\"ban\":false,\"reason\":\"\""};
    const struct model_3_room *room = any_room(simulation);
    uint32_t client = host_of(simulation, room);
    uint32_t index = any_index(simulation, room);
    uint32_t way = random_below(simulation, 32);
    if (way < 10)
        say_in_model(simulation, client, "{\"type\":\"set_state\",\"data\": { \"n\" : %u }%s}",
                     ++simulation->message_count, way < 2 ? ",\"private\":true" : "");
    else if (way < 20)
        say_in_model(simulation, client, "{\"type\":%s}", CHOOSE(simulation, messages));
    else if (way < 25)
        say_in_model(simulation, client, "{\"type\":\"set_host\",\"index\":%u}", index);
    else if (way < 31)
        say_in_model(simulation, client, "{\"type\":\"kick\",\"index\":%u%s}", index,
                     one_in(simulation, 8) ? LONGEST_REASON : CHOOSE(simulation, kicks));
    else
        say_in_model(simulation, client, "{\"type\":\"close_room\"}");
}

/* A message in which some of its fields have values that they may not have. */
static void step_strange(struct simulation *simulation)
{
    static const struct {
        const char *name;
        const char *fields[10];
    } types[] = {
        {"create",
         {"clientId", "session", "maxClients", "url", "hold", "onHostLeft", "maxAudience",
          "password", "token"}},
        {"join", {"clientId", "session", "attempt", "room", "role", "password", "epoch", "seen"}},
        {"send", {"to", "volatile", "data"}},
        {"set_state", {"data", "private"}},
        {"set_room", {"locked", "maxClients", "maxAudience", "password"}},
        {"set_host", {"index"}},
        {"kick", {"index", "reason", "ban"}},
        {"mute_audience", {"muted"}},
        {"ping", {"seen"}},
        {"k\\u0069ck", {"index", "reason", "ban"}},
        {"resumed", {"unasked"}},
        {"nothing", {"type"}},
    };
    static const char *const values[] = {
        "null",
        "true",
        "false",
        "0",
        "-0.0",
        "1e0",
        "2",
        "0.5",
        "1.5",
        "-1",
        "600",
        "600.5",
        "1e400",
        "4294967295",
        "4294967296",
        "9007199254740993",
        "\"\"",
        "\"p\"",
        "\"host\"",
        "\"1\"",
        "\"close\"",
        "\"m\\u0069grate\"",
        "\"audience\"",
        "\"sess\\ud800ion\"",
        "\"\\u00e9234567\"",
        "\"" LETTERS_60 "\\u00e9ab\"",
        "\"" LETTERS_60 "\\u00e9abc\"",
        "\"" LETTERS_60 LETTERS_60 "abc\"",
        "\"" LETTERS_60 LETTERS_60 "abcd\"",
        "\"" LETTERS_60 LETTERS_60 LETTERS_60 LETTERS_60 "0123456789abcdef\"",
        "\"" LETTERS_60 LETTERS_60 LETTERS_60 LETTERS_60 "0123456789abcdefg\"",
        "[]",
        "[ 0 , 1e0,null ]",
        "[[0],\"1\"]",
        "{}",
        "[" SEVENS_16 "," SEVENS_16 "," SEVENS_16 ",0,1,2,3," SEVENS_16 "]",
        "[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5," SEVENS_16 "," SEVENS_16 "," SEVENS_16 "]",
        "[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6," SEVENS_16 "," SEVENS_16 "," SEVENS_16 "]",
        "\"https://a.example/{room}\"",
        "\"https://{x\\u0022}/\"",
        "\"http://a\"",
        "\"{\"",
        "\"BCDF\"",
        "\"\\u0000\"",
    };
    const struct model_3_room *room = any_room(simulation);
    uint32_t type = random_below(simulation, ARRAY_LENGTH(types));
    uint32_t client = one_in(simulation, 3) ? idle_client(simulation) : host_of(simulation, room);
    char more[2048] = "";
    size_t length = 0;
    uint32_t rarity = 1 + random_below(simulation, 8);
    for (uint32_t i = 0; i < 10 && types[type].fields[i] != NULL; i++) {
        if (one_in(simulation, rarity))
            length += (size_t)snprintf(more + length, sizeof more - length, ",\"%s\":%s",
                                       types[type].fields[i], CHOOSE(simulation, values));
    }
    uint32_t person = random_below(simulation, PEOPLE);
    uint32_t index = any_index(simulation, room);
    if (one_in(simulation, 5)) /* without what it must have */
        say_in_model(simulation, client, "{\"type\":\"%s\"%s}", types[type].name, more);
    else /* the last of two fields with one name counts */
        say_in_model(simulation, client,
                     "{\"type\":\"%s\",\"clientId\":\"person number %03u\",\"session\":\"session "
                     "0\",\"attempt\":%u,\"maxClients\":3,\"room\":\"%s\",\"data\":1,\"index\":%u,"
                     "\"muted\":false%s}",
                     types[type].name, person, any_attempt(simulation), room->code, index, more);
}

/* Around the cap of a state, in the compact form or as it is written; or a message as long. */
static void step_long_data(struct simulation *simulation)
{
    static const struct {
        const char *unit;
        uint32_t count; /* at most; or some fewer */
    } states[] = {{"1,", 8194}, {"       1,", 7285}};
    static char text[80000];
    uint32_t which = random_below(simulation, ARRAY_LENGTH(states));
    uint32_t count = states[which].count - random_below(simulation, 6);
    const char *type = one_in(simulation, 4) ? "send" : "set_state";
    char *end = text + sprintf(text, "{\"type\":\"%s\",\"data\":[", type);
    for (uint32_t i = 0; i < count; i++)
        end = stpcpy(end, states[which].unit);
    end = stpcpy(end, one_in(simulation, 4) ? "10],\"private\":10}" : "10]}");
    model_3_say(&simulation->model, host_of(simulation, any_room(simulation)),
                bytes_of(text, (size_t)(end - text)));
}

/* More than the audience may say in a second. */
static void step_chatter(struct simulation *simulation)
{
    const struct model_3_room *room = any_room(simulation);
    uint32_t client = MODEL_3_NONE;
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (room->members[i].index == MODEL_3_NONE)
            client = room->members[i].client;
    }
    for (uint32_t i = 0; client != MODEL_3_NONE && i < 210; i++) {
        say_in_model(simulation, client, "{\"type\":\"send\",\"data\":%u}", i);
        if (one_in(simulation, 200))
            model_3_pass_time(&simulation->model, random_below(simulation, 1000), false);
    }
}

static void bring_visitor(struct simulation *simulation, const struct model_3_room *room,
                          uint32_t client, uint32_t number)
{
    say_in_model(simulation, client,
                 "{\"type\":\"join\",\"clientId\":\"visitor number %05u\",\"session\":\"session "
                 "1\",\"attempt\":1,\"room\":\"%s\"}",
                 number, room->code);
}

/* As many wrong passwords as the relay looks at, and one more. */
static void step_guesses(struct simulation *simulation)
{
    const struct model_3_room *room = any_room(simulation);
    say_in_model(simulation, host_of(simulation, room),
                 "{\"type\":\"set_room\",\"password\":\"p\"}");
    for (uint32_t i = 0; i <= WORLD_GUESSES_MAX; i++)
        say_in_model(simulation, idle_client(simulation),
                     "{\"type\":\"join\",\"clientId\":\"visitor number %05u\",\"session\":"
                     "\"session 1\",\"attempt\":1,\"room\":\"%s\",\"password\":\"q\"}",
                     ++simulation->visitors, room->code);
}

/* The page of a member is loaded anew so often that the seat forgets the first session. */
static void step_reloads(struct simulation *simulation)
{
    const struct model_3_room *room = any_room(simulation);
    uint32_t person = random_below(simulation, PEOPLE);
    uint32_t first = simulation->visitors;
    for (uint32_t i = 0; i <= MODEL_3_SESSIONS + 1; i++) {
        uint32_t session = ++simulation->visitors;
        if (i == MODEL_3_SESSIONS + 1)
            session = first + (one_in(simulation, 2) ? 1 : 2); /* forgotten, or the oldest known */
        say_in_model(simulation, idle_client(simulation),
                     "{\"type\":\"join\",\"clientId\":\"person number %03u\",\"session\":"
                     "\"reload %05u\",\"attempt\":1,\"room\":\"%s\"}",
                     person, session, room->code);
    }
}

/* So many come and are thrown out that the room forgets the first ones, who come again. */
static void step_outcasts(struct simulation *simulation)
{
    const struct model_3_room *room = any_room(simulation);
    uint32_t host = host_of(simulation, room);
    uint32_t guest = idle_client(simulation);
    const char *ban = one_in(simulation, 3) ? "" : ",\"ban\":true";
    say_in_model(simulation, host,
                 "{\"type\":\"set_room\",\"locked\":false,\"password\":null,\"maxClients\":8}");
    for (uint32_t i = 0; i < MODEL_3_OUTCASTS + 5; i++) {
        uint32_t index = room->next_index;
        bring_visitor(simulation, room, guest, ++simulation->visitors);
        if (!room->is_live || room->next_index == index)
            return;
        say_in_model(simulation, host, "{\"type\":\"kick\",\"index\":%u%s}", index, ban);
    }
    for (uint32_t i = MODEL_3_OUTCASTS - 3; i < MODEL_3_OUTCASTS + 5; i++)
        bring_visitor(simulation, room, guest, simulation->visitors - i);
}

static void step_time(struct simulation *simulation)
{
    static const uint32_t lengths_ms[] = {0,     1,      100,    200,    999,   1000,  1000,
                                          2000,  4999,   5000,   10000,  14999, 15000, 59999,
                                          60000, 119999, 120000, 300000, 600000};
    uint32_t shortest = one_in(simulation, 4) ? 19 : 12;
    model_3_pass_time(&simulation->model, lengths_ms[random_below(simulation, shortest)],
                      one_in(simulation, 4));
}

/* All ways in which connections end often. */
static void step_end(struct simulation *simulation)
{
    static const enum departure departures[] = {DEPARTURE_CUT_OFF, DEPARTURE_CUT_OFF,
                                                DEPARTURE_CODELESS, DEPARTURE_FAREWELL};
    uint32_t client = any_client_of(simulation, any_room(simulation));
    model_3_end(&simulation->model, client, CHOOSE(simulation, departures));
}

static void step_rare(struct simulation *simulation)
{
    uint32_t choice = random_below(simulation, 100);
    if (choice < 3)
        step_outcasts(simulation);
    else if (choice < 9)
        step_chatter(simulation);
    else if (choice < 17)
        step_long_data(simulation);
    else if (choice < 30)
        model_3_set_draining(&simulation->model, one_in(simulation, 4));
    else if (choice < 37)
        model_3_set_token(&simulation->model, one_in(simulation, 3));
    else if (choice < 42)
        model_3_forget_guesses(&simulation->model);
    else if (choice < 48)
        step_guesses(simulation);
    else if (choice < 56)
        step_reloads(simulation);
    else if (choice < 65)
        model_3_say(&simulation->model, random_below(simulation, CLIENTS), BYTES("\xff"));
    else
        say_in_model(simulation, any_client_of(simulation, any_room(simulation)),
                     "{\"type\":\"leave\"}");
}

static void step(struct simulation *simulation)
{
    uint32_t choice = random_below(simulation, 1000);
    if (choice < 50)
        step_create(simulation);
    else if (choice < 370)
        step_join(simulation);
    else if (choice < 550)
        step_send(simulation);
    else if (choice < 590)
        step_binary(simulation);
    else if (choice < 640)
        step_ping(simulation);
    else if (choice < 740)
        step_host(simulation);
    else if (choice < 800)
        step_strange(simulation);
    else if (choice < 890)
        step_end(simulation);
    else if (choice < 974)
        step_time(simulation);
    else if (choice < 980)
        model_3_upgrade(&simulation->model, random_below(simulation, simulation->model.loop_count));
    else if (choice < 984)
        model_3_restart(&simulation->model, random_below(simulation, simulation->model.loop_count));
    else if (choice < 988)
        model_3_stop(&simulation->model, random_below(simulation, simulation->model.loop_count));
    else
        step_rare(simulation);
}

/* The seed decides how many loops there are, and how large logs are. */
static void simulate(uint64_t seed)
{
    static const uint32_t log_bytes[] = {MODEL_3_LOG_PLENTY, 700, MODEL_3_LOG_PLENTY, 3000};
    static struct simulation simulation; /* too large for the stack */
    simulation.message_count = 0;
    simulation.attempts = 0;
    simulation.visitors = 300;
    simulation.random_state = ~seed;
    model_3_init(&simulation.model, seed % 3 == 0 ? MODEL_3_LOOPS_MAX : 1, seed,
                 log_bytes[seed / 3 % ARRAY_LENGTH(log_bytes)]);
    for (uint32_t i = 0; i < STEPS; i++)
        step(&simulation);
    model_3_release(&simulation.model);
}

static void simulate_seeds(uint64_t first, uint32_t count)
{
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("SEED=%" PRIu64 "\n", seed);
        simulate(seed);
    }
}

static void relays_agree_with_the_model(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    const char *seeds = getenv("SEEDS");
    if (seed != NULL)
        simulate_seeds(strtoull(seed, NULL, 10), 1);
    else if (seeds != NULL)
        simulate_seeds((uint64_t)time(NULL) * 1000, (uint32_t)strtoul(seeds, NULL, 10));
    else
        simulate_seeds(FIXED_SEED, SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(relays_agree_with_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

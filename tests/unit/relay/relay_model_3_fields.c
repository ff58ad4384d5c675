/* Values of messages of protocol 3, and what is wrong with the fields of `create` and `join`. */
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

#define ID_LEAST 16
#define HOLD_MOST 600

bool is_string_of_3(struct simple_value value, size_t least, size_t most)
{
    if (value.kind != JSON_STRING)
        return false;
    struct simple_string decoded = simple_json_decode(value.raw);
    size_t length = simple_string_utf8_length(&decoded);
    bool is_one = !has_half(&decoded) && length >= least && length <= most;
    simple_string_release(&decoded);
    return is_one;
}

bool is_whole_3(struct simple_value value, double least, double most)
{
    if (value.kind != JSON_NUMBER)
        return false;
    double number = number_of(value);
    return number >= least && number <= most && (double)(uint64_t)number == number;
}

bool is_index_3(struct simple_value value, uint32_t index)
{
    return value.kind == JSON_NUMBER && number_of(value) == index;
}

bool is_flag_3(struct simple_value value)
{
    return value.kind == JSON_ABSENT || value.kind == JSON_TRUE || value.kind == JSON_FALSE;
}

uint32_t ceiling_3(struct simple_value value, uint32_t most)
{
    if (value.kind != JSON_NUMBER || !(number_of(value) >= 0))
        return MODEL_3_NONE;
    double number = number_of(value);
    uint32_t whole = 0;
    if (number >= most)
        return most;
    while (whole < number)
        whole++;
    return whole;
}

static bool is_one_of(struct simple_value value, const char *one, const char *other)
{
    if (value.kind != JSON_STRING)
        return false;
    struct simple_string decoded = simple_json_decode(value.raw);
    bool is_one = simple_string_equals(&decoded, one) || simple_string_equals(&decoded, other);
    simple_string_release(&decoded);
    return is_one;
}

/* Of the fields that `create` and `join` begin with. */
static struct fault_3 client_fault(const struct model_3 *model, const struct said_3 *said)
{
    struct simple_value id = field_3(said, "clientId");
    if (model->clients[said->client].room != NULL)
        return (struct fault_3){"already-in-room", "Already in a room"};
    if (!is_non_empty_string(id))
        return (struct fault_3){"client-id-required", "clientId is required"};
    char *canonical = canonical_form(id);
    bool is_too_long =
        decoded_length(id) > WORLD_ID_BYTES_MAX || strlen(canonical) > 2 * WORLD_ID_BYTES_MAX;
    free(canonical);
    if (is_too_long)
        return (struct fault_3){"client-id-too-long", "clientId is too long"};
    if (decoded_length(id) < ID_LEAST)
        return (struct fault_3){"client-id-too-short", "clientId is too short"};
    if (!is_string_of_3(field_3(said, "session"), 8, 64))
        return (struct fault_3){"bad-session", "session must be a string of 8 to 64 bytes"};
    return (struct fault_3){0};
}

static struct fault_3 of_url(const struct model_3 *model, struct simple_value url)
{
    static const struct fault_3 faults[] = {
        {"url-not-a-string", "url must be a string"},
        {"url-too-large", "url too large"},
        {"url-has-spaces", "url must not contain spaces or control characters"},
        {"url-placeholder", "Unknown url placeholder: "},
        {"url-brace", "url has an unmatched placeholder brace"},
        {"url-invalid", "url is not a valid URL"},
        {"url-not-https", "url must be an https URL"},
    };
    static char text[2048]; /* it may name a placeholder */
    char *fault = url_fault(&model->instance, url, true);
    if (fault == NULL)
        return (struct fault_3){0};
    assert_true(strlen(fault) < sizeof text);
    strcpy(text, fault);
    free(fault);
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        if (strncmp(text, faults[i].text, strlen(faults[i].text)) == 0)
            return (struct fault_3){faults[i].code, text};
    }
    fail_msg("no code for %s", text);
    return (struct fault_3){0};
}

static bool is_password(struct simple_value value)
{
    return value.kind == JSON_ABSENT || value.kind == JSON_NULL || is_string_of_3(value, 1, 64);
}

static struct fault_3 wishes_fault(const struct said_3 *said)
{
    struct simple_value hold = field_3(said, "hold");
    struct simple_value on_host_left = field_3(said, "onHostLeft");
    struct simple_value audience = field_3(said, "maxAudience");
    if (hold.kind != JSON_ABSENT && ceiling_3(hold, HOLD_MOST + 1) > HOLD_MOST)
        return (struct fault_3){"bad-hold", "hold must be a number from 0 to 600"};
    if (on_host_left.kind != JSON_ABSENT && !is_one_of(on_host_left, "close", "migrate"))
        return (struct fault_3){"bad-on-host-left", "onHostLeft must be close or migrate"};
    if (audience.kind != JSON_ABSENT && ceiling_3(audience, WORLD_MEMBERS_MAX) == MODEL_3_NONE)
        return (struct fault_3){"bad-max-audience", "maxAudience must be a number, 0 or more"};
    if (!is_password(field_3(said, "password")))
        return (struct fault_3){"bad-password", "password must be a string of 1 to 64 bytes"};
    return (struct fault_3){0};
}

static struct fault_3 token_fault(const struct model_3 *model, struct simple_value token)
{
    if (!model->asks_for_token || is_one_of(token, MODEL_3_TOKEN, MODEL_3_TOKEN))
        return (struct fault_3){0};
    if (token.kind == JSON_ABSENT)
        return (struct fault_3){"token-required", "token is required"};
    return (struct fault_3){"token-invalid", "token is not valid"};
}

struct fault_3 create_fault_3(struct model_3 *model, const struct said_3 *said)
{
    struct fault_3 fault = client_fault(model, said);
    struct simple_value max_clients = field_3(said, "maxClients");
    struct simple_value url = field_3(said, "url");
    if (fault.code != NULL)
        return fault;
    if (max_clients.kind != JSON_NUMBER || !(number_of(max_clients) >= 1))
        return (struct fault_3){"bad-max-clients", "maxClients must be a positive number"};
    if (url.kind != JSON_ABSENT)
        fault = of_url(model, url);
    if (fault.code == NULL)
        fault = wishes_fault(said);
    if (fault.code != NULL)
        return fault;
    if (model->is_draining)
        return (struct fault_3){"server-draining", "Server draining"};
    return token_fault(model, field_3(said, "token"));
}

struct fault_3 join_fault_3(struct model_3 *model, const struct said_3 *said)
{
    struct fault_3 fault = client_fault(model, said);
    struct simple_value role = field_3(said, "role");
    if (fault.code != NULL)
        return fault;
    if (!is_whole_3(field_3(said, "attempt"), 1, UINT32_MAX))
        return (struct fault_3){"bad-attempt", "attempt must be a positive integer"};
    if (!is_non_empty_string(field_3(said, "room")))
        return (struct fault_3){"room-required", "room is required"};
    if (role.kind != JSON_ABSENT && !is_one_of(role, "audience", "audience"))
        return (struct fault_3){"bad-role", "role must be audience"};
    if (!is_password(field_3(said, "password")))
        return (struct fault_3){"bad-password", "password must be a string of 1 to 64 bytes"};
    return (struct fault_3){0};
}

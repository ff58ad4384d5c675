#include "cluster/pulse.h"

#include <assert.h>

#define PULSE_MARK "pulse\1" /* and the version */
#define NUMBERS 4

static uint64_t read_number(const uint8_t *data)
{
    uint64_t number = 0;
    for (uint32_t i = 8; i-- > 0;)
        number = number << 8 | data[i];
    return number;
}

static void write_number(struct writer *writer, uint64_t number)
{
    for (uint32_t i = 0; i < 8; i++)
        writer_put_byte(writer, (uint8_t)(number >> 8 * i));
}

bool pulse_read(struct bytes message, struct pulse *ret_pulse)
{
    const struct bytes mark = BYTES(PULSE_MARK);
    static_assert(PULSE_BYTES == sizeof PULSE_MARK - 1 + NUMBERS * 8, "the mark and the numbers");
    if (message.length != PULSE_BYTES || !bytes_equal(bytes_of(message.data, mark.length), mark))
        return false;
    const uint8_t *numbers = message.data + mark.length;
    *ret_pulse = (struct pulse){
        .from = read_number(numbers),
        .sent_us = read_number(numbers + 8),
        .heard_us = read_number(numbers + 16),
        .kept_us = read_number(numbers + 24),
    };
    return ret_pulse->sent_us != 0;
}

void pulse_write(struct writer *writer, const struct pulse *pulse)
{
    WRITER_PUT(writer, PULSE_MARK);
    write_number(writer, pulse->from);
    write_number(writer, pulse->sent_us);
    write_number(writer, pulse->heard_us);
    write_number(writer, pulse->kept_us);
}

/* Whether the pulse names one that this node can have sent, and a time that can have passed. */
static bool is_possible(const struct pulse *pulse, uint64_t now_us)
{
    uint64_t passed_us = now_us - pulse->heard_us; /* of what is still to come: far too much */
    return pulse->heard_us != 0 && passed_us <= PULSE_OLD_US && pulse->kept_us <= passed_us;
}

void pulse_take(struct pulse_end *end, const struct pulse *pulse, uint64_t now_us)
{
    end->peer_sent_us = pulse->sent_us;
    end->heard_us = now_us;
    if (!is_possible(pulse, now_us))
        return;
    end->round_trip_us = now_us - pulse->heard_us - pulse->kept_us;
    end->measured_us = now_us;
}

struct pulse pulse_next(const struct pulse_end *end, uint64_t now_us)
{
    struct pulse pulse = {.sent_us = now_us, .heard_us = end->peer_sent_us};
    if (pulse.heard_us != 0)
        pulse.kept_us = now_us - end->heard_us;
    return pulse;
}

bool pulse_round_trip(const struct pulse_end *end, uint64_t now_us, uint64_t *ret_us)
{
    *ret_us = end->round_trip_us;
    return end->measured_us != 0 && now_us - end->measured_us <= PULSE_OLD_US;
}

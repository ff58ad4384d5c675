#include "cluster/pulse.h"

#include <assert.h>

#include "cluster/numbers.h"

#define PULSE_MARK "pulse\1" /* and the version */
#define NUMBERS 4

bool pulse_read(struct bytes message, struct pulse *ret_pulse)
{
    const struct bytes mark = BYTES(PULSE_MARK);
    static_assert(PULSE_BYTES == sizeof PULSE_MARK - 1 + NUMBERS * 8, "the mark and the numbers");
    if (message.length != PULSE_BYTES || !bytes_equal(bytes_of(message.data, mark.length), mark))
        return false;
    const uint8_t *numbers = message.data + mark.length;
    *ret_pulse = (struct pulse){
        .from = number_read(numbers),
        .sent_us = number_read(numbers + 8),
        .heard_us = number_read(numbers + 16),
        .kept_us = number_read(numbers + 24),
    };
    return ret_pulse->sent_us != 0;
}

void pulse_write(struct writer *writer, const struct pulse *pulse)
{
    WRITER_PUT(writer, PULSE_MARK);
    number_write(writer, pulse->from);
    number_write(writer, pulse->sent_us);
    number_write(writer, pulse->heard_us);
    number_write(writer, pulse->kept_us);
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

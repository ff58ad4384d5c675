/* The texts and codes of errors. */
#include "relay/event.h"

static const struct {
    const char *text;
    const char *code;
} errors[RELAY_ERRORS] = {
#define ROW(name, text, code) {text, code},
    FOR_EACH_RELAY_ERROR(ROW)
#undef ROW
};

const char *relay_error_text(enum relay_error error)
{
    return errors[error].text;
}

const char *relay_error_code(enum relay_error error)
{
    return errors[error].code;
}

#include "scenario.h"
const struct scenario scenario_party = {0};

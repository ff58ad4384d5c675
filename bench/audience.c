#include "scenario.h"
const struct scenario scenario_audience = {0};

#include "scenario.h"
const struct scenario scenario_churn = {0};

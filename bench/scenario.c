/* The table of scenarios, and the course of most scenarios. */
#include "scenario.h"

#include "crew.h"

const struct scenario *scenario_of(const struct options *options)
{
    static const struct scenario *const scenarios[SCENARIO_COUNT] = {
        [SCENARIO_LOCKSTEP] = &scenario_lockstep,
        [SCENARIO_PARTY] = &scenario_party,
        [SCENARIO_AUDIENCE] = &scenario_audience,
        [SCENARIO_CHURN] = &scenario_churn,
        [SCENARIO_IDLE] = &scenario_idle,
        [SCENARIO_STARTUP] = &scenario_startup,
        [SCENARIO_HANDSHAKES] = &scenario_handshakes,
        [SCENARIO_STORM] = &scenario_storm,
    };
    return scenarios[options->scenario];
}

void scenario_measure(const struct options *options, struct report *report)
{
    static struct measurement measurement;
    const struct scenario *scenario = scenario_of(options);
    struct plan plan = scenario->plan(options);
    struct crew *crew = crew_new(options, &plan);
    double setup_seconds = crew_seat(crew, plan.opens_rooms_itself ? 0 : plan.rooms);
    crew_measure(crew, plan.rooms, &measurement);
    report_number(report, NULL, "setup_seconds", setup_seconds);
    measurement_report(&measurement, scenario->second, report);
    crew_free(crew);
}

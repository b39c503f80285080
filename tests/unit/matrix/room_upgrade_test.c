/*
 * Upgrades: what becomes of power levels that nobody has set.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/room_upgrade.h"

static struct upgrade_plan plan_of(struct arena *arena, const char *from, const char *to)
{
	struct upgrade_facts *facts = ARENA_NEW(arena, struct upgrade_facts);
	struct upgrade_plan plan;
	*facts = (struct upgrade_facts){
		.from = room_version_find(str_of(from)),
		.to = room_version_find(str_of(to)),
		.user = sample_user("@me:hs1"),
		.room_id = STR("!old:hs1"),
		.last_event_id = STR("$last"),
		.create = sample_event(arena, from,
			sample_json(arena,
				"{'type':'m.room.create','state_key':'','sender':'@me:hs1','event_id':'$c',"
				"'room_id':'!old:hs1','content':{'creator':'@me:hs1'}}")),
	};
	upgrade_plan_make(arena, facts, &plan);
	return plan;
}

/* "there is no m.room.power_levels event, the state_default is 50": in the new room, and in what is left of the old one. */
static void upgrade__room_without_power_levels__those_in_force_are_written(void **state)
{
	(void)state;
	static const char *const versions[][2] = {{"1", "11"}, {"11", "12"}, {"12", "12"}};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		const struct upgrade_plan plan = plan_of(arena, versions[i][0], versions[i][1]);
		const struct json *const contents[] = {&plan.power_begin, &plan.old_power};
		for (size_t k = 0; k < COUNT_OF(contents); k++) {
			static const struct {
				struct str name;
				int64_t level;
			} levels[] = {{STR_INIT("state_default"), 50}, {STR_INIT("users_default"), 0},
				{STR_INIT("ban"), 50}, {STR_INIT("kick"), 50}, {STR_INIT("redact"), 50}};
			for (size_t n = 0; n < COUNT_OF(levels); n++) {
				int64_t level = -1;
				assert_true(
					json_get_int(contents[k], levels[n].name, INT64_MIN, INT64_MAX, &level));
				assert_int_equal(level, levels[n].level);
			}
		}
		assert_true(plan.has_old_power);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upgrade__room_without_power_levels__those_in_force_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

"""What each Belfry knows of the events that one of them does not show, and of what they stand on: asked of the databases and logs while
the servers still run, since nothing of them is left after a run."""
MOST = 40
"""Events of a room that are told of for one server: a branch of several hundred explains itself by its newest ones."""
LOG_LINES = 8
"""The last of an event."""

FACTS = """
WITH asked(event_id, room_nid) AS (SELECT '{event_id}', room_nid FROM rooms WHERE room_id = '{room_id}'),
	clock(now_ms) AS (SELECT (extract(epoch FROM now()) * 1000)::bigint)
SELECT concat('is ', (ARRAY['in the timeline', 'kept because others stand on it', 'soft-failed', 'rejected', 'in the timeline as history'])[fate + 1],
	' at ', e.position, ', shown at ' || p.place, CASE WHEN e.redacted_by <> 0 THEN ', redacted by ' || e.redacted_by END)
FROM asked JOIN events e USING (event_id) LEFT JOIN event_places p ON p.room_nid = e.room_nid AND p.position = e.position
UNION ALL SELECT format('is staged, from %s: %s attempts, due in %s s', origin, attempts, (due_at_ms - now_ms) / 1000)
FROM asked JOIN inbox USING (event_id), clock
UNION ALL SELECT format('is missing at the gap at %s: asked for in vain %s times, again in %s s', position, attempts,
	greatest(retry_at_ms - now_ms, 0) / 1000)
FROM asked JOIN room_gaps g USING (room_nid), clock WHERE g.prev_id = asked.event_id
UNION ALL SELECT format('%s at %s stands on it', e.event_id, e.position)
FROM asked JOIN events e USING (room_nid) WHERE strpos(e.json::json ->> 'prev_events', '"' || asked.event_id || '"') > 0
"""
STANDS_ON = """
SELECT CASE json_typeof(a.ref) WHEN 'array' THEN a.ref ->> 0 ELSE a.ref #>> '{{}}' END
FROM events e CROSS JOIN json_array_elements(e.json::json -> 'prev_events') AS a(ref) WHERE e.event_id = '{event_id}'
"""
OF_ROOM = """
SELECT format('misses events for %s from %s on', server, from_position)
FROM outbox_missed JOIN rooms USING (room_nid) WHERE room_id = '{room_id}'
UNION ALL SELECT format('has not reached %s, %s times: %s', server, failures, cause) FROM destinations WHERE failures > 0
UNION ALL SELECT format('has a gap at %s, asked for in vain %s times', position, max(attempts))
FROM room_gaps JOIN rooms USING (room_nid) WHERE room_id = '{room_id}' GROUP BY position
"""


def _ask(server, question, **names):
    quoted = {name: text.replace("'", "''") for name, text in names.items()}
    return server.sql(question.format(**quoted)).splitlines()


def facts(server, room_id, event_id):
    """All that a server knows of an event, a line each."""
    lines = [line for line in server.log().splitlines() if event_id in line]
    return (_ask(server, FACTS, room_id=room_id, event_id=event_id) or ["does not know it"]) + lines[-LOG_LINES:]


def of_room(server, room_id):
    """What a server still owes others of a room, and where its history has gaps."""
    return _ask(server, OF_ROOM, room_id=room_id)


def trail(room_id, poor, rich, lacking):
    """Of events that one server, `poor`, does not show, and those behind them as far as it lacks them: (event id, {server: lines})."""
    todo, told = list(lacking), set()
    while todo and len(told) < MOST:
        event_id = todo.pop(0)
        if event_id in told:
            continue
        told.add(event_id)
        found = {server: facts(server, room_id, event_id) for server in [poor] + rich}
        yield event_id, found
        if not found[poor][0].startswith("is in the timeline"):
            todo += [prev for server in rich for prev in _ask(server, STANDS_ON, event_id=event_id)]


def inquest(views, say):
    """Says what is known of each message that a Belfry does not show, though another does. `views`: of one room, a View of each server."""
    belfrys = [view for view in views if not view.member.is_synapse]
    letters = {view.member.server: view.member.letter for view in belfrys}
    for view in belfrys:
        lacking = dict.fromkeys(event_id for other in belfrys for event_id in other.messages if event_id not in view.messages)
        if not lacking:
            continue
        room_id, poor = view.room.room_id, view.member.server
        say("room %s: what %s does not show" % (room_id, view.member.letter))
        for event_id, found in trail(room_id, poor, [server for server in letters if server is not poor], lacking):
            for server, lines in found.items():
                for line in lines:
                    say("  %s: %s %s" % (event_id, letters[server], line))
        for server, letter in letters.items():
            for line in of_room(server, room_id):
                say("  %s %s" % (letter, line))

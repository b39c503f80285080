-- What: an index over the state that is no membership.
-- Why:  a first sync, which leaves out most members, read all of them when the state had changed within its timeline: 10 ms of processor time
--       in a room of 10,000 members, 3 in one of 10.
-- Cost: builds an index over few rows (of a school's state, one entry in four or five); a write that changes such state keeps one more entry. Old processes may run beside it.

CREATE INDEX states_others_idx ON states (room_nid, to_position) WHERE type <> 'm.room.member';

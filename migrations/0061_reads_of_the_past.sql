-- What: indexes by which what held in a room is found without reading what held before: a user's last stay and absence, what began in a span of
--       the stream, who of a server is in a room, who was there before this server, and which servers are.
-- Why:  unread counts read every change of a name since the user came, a sync after a gap all that ever was in the room, the look whether a server's
--       last user has gone and the directory after each join all members, and what goes to whom every server that ever was in the room.
-- Cost: builds four indexes over the table of states, one over that of servers' stays; a change of a membership keeps three entries more, other
--       state one. Old processes may run beside it.

-- The sum says nothing, but keeps the planner from walking this index back through all of a room to what began last of one key.
CREATE INDEX states_began_idx ON states (room_nid, (from_position + 0));
CREATE INDEX states_members_idx ON states (room_nid, state_key, membership, from_position) WHERE type = 'm.room.member';
CREATE INDEX states_servers_idx ON states (room_nid, substr(state_key, strpos(state_key, ':') + 1), membership, to_position)
	WHERE type = 'm.room.member';
CREATE INDEX states_earlier_idx ON states (room_nid, to_position)
	WHERE type = 'm.room.member' AND membership = 'join' AND event_position < 0;
CREATE INDEX server_stays_to_idx ON server_stays (room_nid, to_position, server);

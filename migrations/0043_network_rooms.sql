-- What: rooms that application services list in the directories of their networks.
-- Why:  PUT /directory/list/appservice/{networkId}/{roomId}; GET and POST /publicRooms of a network, or of all.
-- Cost: none. Old processes may run beside it: they show no such rooms.

CREATE TABLE network_rooms (
	appservice_id text NOT NULL,
	network_id text NOT NULL,
	room_nid bigint NOT NULL,
	CONSTRAINT network_rooms_pkey PRIMARY KEY (appservice_id, network_id, room_nid)
);
COMMENT ON TABLE network_rooms IS 'Rooms in the directories of bridged networks';
COMMENT ON COLUMN network_rooms.appservice_id IS 'application service that lists it';
COMMENT ON COLUMN network_rooms.network_id IS 'its name for the network';
COMMENT ON COLUMN network_rooms.room_nid IS 'room';

-- What has come since: rooms 4 and 6, like 1 and 3, of which the statistics know nothing.
CREATE FUNCTION pg_temp.later(p bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN p BETWEEN -1000000 AND 1000000 THEN p + 100000 WHEN p BETWEEN -1152921504606900000 AND -1152921504606846976 THEN p - 100000 ELSE p END $$;
INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)
 SELECT room_nid + 3, '!' || room_nid + 3, version, event_seq, depth, extremities, last_position + 100000, 1 FROM rooms WHERE room_nid IN (1, 3);
INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)
 SELECT room_nid + 3, type, state_key, pg_temp.later(from_position), pg_temp.later(to_position), pg_temp.later(event_position), event_id || 'g', membership FROM states WHERE room_nid IN (1, 3);
INSERT INTO server_stays (room_nid, server, from_position, to_position)
 SELECT room_nid + 3, server, pg_temp.later(from_position), pg_temp.later(to_position) FROM server_stays WHERE room_nid IN (1, 3);
INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, notify_seq, highlight_seq, thread_root, fate)
 SELECT room_nid + 3, pg_temp.later(position), event_id || 'g', type, state_key, sender, origin_server_ts + 100000, depth, replace(json, '"]', 'g"]'), notify_seq, highlight_seq, thread_root || 'g', fate FROM events WHERE room_nid IN (1, 3);
INSERT INTO relations SELECT room_nid + 3, parent_id || 'g', position + 100000, rel_type, type, sender FROM relations WHERE room_nid IN (1, 3);
INSERT INTO mentions (user_id, room_nid, position, is_counted) SELECT user_id, room_nid + 3, position + 100000, is_counted FROM mentions;
INSERT INTO search_texts (room_nid, position, target_position, key, sender, origin_server_ts, has_url, terms)
 SELECT room_nid + 3, position + 100000, target_position + 100000, key, sender, origin_server_ts, has_url, terms FROM search_texts;
INSERT INTO members (room_nid, user_id, membership, position, is_local) SELECT room_nid + 3, user_id, membership, position + 100000, is_local FROM members WHERE room_nid IN (1, 3);
INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
 SELECT room_nid + 3, user_id, receipt_type, thread_id, event_id || 'g', event_position + 100000, ts, position + 100000 FROM receipts WHERE room_nid IN (1, 3);
INSERT INTO room_gaps (room_nid, position, prev_id) SELECT room_nid + 3, position + 100000, prev_id || 'g' FROM room_gaps;
INSERT INTO event_places (room_nid, place, position) SELECT room_nid + 3, place + 100000, position + 100000 FROM event_places;
INSERT INTO waiting_redactions (room_nid, redacts, position) SELECT room_nid + 3, redacts || 'g', position + 100000 FROM waiting_redactions;
INSERT INTO event_states (room_nid, position, base_position, difference) SELECT room_nid + 3, position + 100000, base_position + 100000, difference FROM event_states;
INSERT INTO device_messages (user_id, device_id, position, message) SELECT user_id, device_id, position + 100000, message FROM device_messages;
INSERT INTO devices (user_id, device_id, last_seen_ms, created_at_ms) SELECT user_id, 'E' || n, 1, 1 FROM accounts, generate_series(1, 3) AS n;
INSERT INTO sliding_positions (user_id, device_id, conn_id, state)
 SELECT user_id, device_id, 'c' || n, 's' FROM devices, generate_series(1, 16) AS n WHERE device_id <> 'D';
INSERT INTO rendezvous_sessions (slot, id_hash, etag, payload, modified_ms, expires_ms)
 SELECT n, sha256(n::text::bytea), 'e', repeat('p', 4096)::bytea, 1, 3 FROM generate_series(2049, 4096) AS n;
INSERT INTO delayed_events (delay_id, user_id, room_id, type, content, delay_ms, running_since_ms, due_at_ms)
 SELECT 'e' || n, '@u' || n % 200 || ':own', '!1', 't', '{}', 1, n, n + 10000 FROM generate_series(1, 3000) AS n;
INSERT INTO account_data (user_id, room_nid, type, content, position) SELECT user_id, room_nid + 4000, type, content, position + 100000 FROM account_data;
INSERT INTO push_queue (pusher_nid, position, room_nid) SELECT pusher_nid, position + 100000, room_nid + 3 FROM push_queue;
INSERT INTO notice_deliveries (notice_id, due_at_ms, room_id, languages, txn_key, failures, event_id, sent_at_ms) SELECT notice_id, 2, '!6', '', '', 0, '$toldg', 1 FROM notices;
INSERT INTO notice_reminders (notice_id, due_at_ms, user_id, room_id, level, asked_at_ms, txn_key, next_try_ms, failures) SELECT notice_id, 2, '@seldom:own', '!6', 'read', 1, '', 1, 0 FROM notices;

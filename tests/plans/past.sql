-- What was there when the statistics were made: room 1 with a long past, 3 a direct one, 1000 to 3000 small ones, 2,004 users.
INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)
 SELECT n, '!' || n, '11', 1, 1, '[]', 70100, 1 FROM unnest('{1,3}'::bigint[]) AS n;
INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)
 SELECT n, '!' || n, '11', 1, 1, '[]', 1, 1 FROM generate_series(1000, 3000) AS n;
INSERT INTO accounts (user_id, created_at_ms) SELECT u, 1 FROM unnest('{@often:own,@seldom:own,@renamed:own,@knocking:own,@bot:own}'::text[]) AS u;
INSERT INTO accounts (user_id, created_at_ms) SELECT '@n' || n || ':own', 1 FROM generate_series(1, 2000) AS n;
INSERT INTO devices (user_id, device_id, last_seen_ms, created_at_ms) SELECT user_id, 'D', 1, 1 FROM accounts;
INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)
 SELECT 1, 'm.room.member', user_id, begin + step * n, CASE WHEN n = last THEN 9223372036854775807 ELSE begin + step * (n + 1) END,
  begin + step * n, '$' || user_id || n, CASE WHEN n = 1 OR odd = even THEN 'join' WHEN n % 2 = 1 THEN odd ELSE even END
 FROM (VALUES ('@often:own', 5, 10, 6000, 'join', 'leave'), ('@seldom:own', 5, 10000, 6, 'join', 'leave'),
  ('@renamed:own', 6, 10, 6000, 'join', 'join'), ('@knocking:own', 7, 10, 6000, 'knock', 'leave'))
  AS u(user_id, begin, step, last, odd, even), generate_series(1, last) AS n;
INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership)
 SELECT 1, 'm.room.member', '@u' || n || CASE n WHEN 1 THEN ':few.other' ELSE ':own' END, n, n, '$u' || n, 'join'
 FROM generate_series(1, 500) AS n;
INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership)
 VALUES (1, 'm.room.history_visibility', '', 3, 3, '$v', NULL),
 (1, 'm.room.member', '@early:few.other', -9223372036854775807, -1152921504606846978, '$e', 'join');
INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id)
 SELECT 1, type, '', 3 * n, CASE WHEN n = 3000 THEN 9223372036854775807 ELSE 3 * n + 3 END, 3 * n, '$' || type || n
 FROM unnest('{m.room.topic,m.room.encryption}'::text[]) AS type, generate_series(1, 3000) AS n;
INSERT INTO server_stays (room_nid, server, from_position, to_position)
 SELECT 1, server, step * n, CASE WHEN n = last THEN 9223372036854775807 ELSE step * n + step / 2 END
 FROM (VALUES ('often.other', 10, 3000), ('seldom.other', 10000, 3)) AS s(server, step, last), generate_series(1, last) AS n;
INSERT INTO server_stays (room_nid, server, from_position)
 SELECT n, server, 1 FROM generate_series(1000, 6000) AS n, unnest('{own,third.other}'::text[]) AS server;
INSERT INTO server_stays (room_nid, server, from_position) VALUES (1, 'own', 1);
INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq, thread_root)
 SELECT 1, 3 * n, '$m' || n, 'm.room.message', '@u1:own', 3 * n, n, '{"auth_events":["$m1"],"prev_events":["$m' || n - 1 || '"]}', 0, 0,
  CASE WHEN n % 10 = 0 THEN '$m' || 1 + n / 5000 END FROM generate_series(1, 20000) AS n;
INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, notify_seq, highlight_seq)
 SELECT 1, 70000 + length(user_id), '$left' || user_id, 'm.room.member', user_id, user_id, 1, 1, '{}', 0, 0
 FROM unnest('{@often:own,@seldom:own,@renamed:own,@knocking:own}'::text[]) AS user_id;
INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq, fate)
 SELECT 1, -1152921504606847000 - n, '$aside' || n, 'm.room.message', '@u1:own', 1, 1, '{}', 0, 0, 1 FROM generate_series(1, 10) AS n;
INSERT INTO relations (room_nid, parent_id, position, rel_type, type, sender)
 SELECT 1, thread_root, position, 'm.thread', type, sender FROM events WHERE thread_root IS NOT NULL;
INSERT INTO relations (room_nid, parent_id, position, rel_type, type, sender)
 SELECT 1, '$m' || 10 + n / 4, 3 * n, (array['m.replace','m.reference','m.annotation','m.annotation'])[1 + n % 4], 'm.room.message', '@u1:own'
 FROM generate_series(1, 20000) AS n WHERE n % 10 <> 0;
INSERT INTO mentions (user_id, room_nid, position, is_counted)
 SELECT '@often:own', 1, 9 * n, true FROM generate_series(1, 6000) AS n;
INSERT INTO search_texts (room_nid, position, target_position, key, sender, origin_server_ts, has_url, terms)
 SELECT 1, 3 * n, 3 * n - n % 2 * 3, 0, '@u1:own', 1, false, 'a' FROM generate_series(1, 20000) AS n;
INSERT INTO members (room_nid, user_id, membership, position, is_local)
 SELECT 1, user_id, 'leave', 60000, true FROM unnest('{@often:own,@seldom:own,@renamed:own,@knocking:own}'::text[]) AS user_id;
INSERT INTO members (room_nid, user_id, membership, position, is_local)
 SELECT 1, '@n' || n || ':own', 'join', n, true FROM generate_series(1, 2000) AS n;
INSERT INTO members (room_nid, user_id, membership, position, is_local)
 SELECT n, '@seldom:own', 'join', 50000, true FROM generate_series(2000, 2010) AS n;
INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
 VALUES (1, '@u1:own', 'm.read', '', '$m1', 3, 1, 70100);
INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
 SELECT 1, '@n' || n || ':own', 'm.read', '', '$m' || n, 3 * n, n, 3 * n + 1 FROM generate_series(1, 2000) AS n;
INSERT INTO room_gaps (room_nid, position, prev_id) SELECT 1, 12 * n, '$gap' || n FROM generate_series(1, 5000) AS n;
INSERT INTO event_places (room_nid, place, position) SELECT 1, 12 * n + 1, 12 * n FROM generate_series(1, 5000) AS n WHERE n % 2 = 0;
INSERT INTO waiting_redactions (room_nid, redacts, position) SELECT 1, '$waits' || n, 3 * n FROM generate_series(1, 5000) AS n;
INSERT INTO event_states (room_nid, position, base_position, difference) SELECT 1, 12 * n, 3, '[]' FROM generate_series(1, 5000) AS n;
INSERT INTO pushers (user_id, app_id, pushkey, kind, app_display_name, device_display_name, lang, data, set_at_ms, since_position)
 SELECT user_id, 'a', user_id, 'http', '', '', '', '{}', 1, 0 FROM accounts WHERE length(user_id) <> 10 OR user_id LIKE '%5%:own';
UPDATE pushers SET next_try_ms = 1 WHERE user_id IN ('@seldom:own', '@often:own');
INSERT INTO push_queue (pusher_nid, position, room_nid)
 SELECT p.pusher_nid, e.position, e.room_nid FROM pushers p JOIN events e ON e.room_nid = 1 AND e.position > 0 AND e.position % 8 = 0 WHERE p.user_id IN ('@seldom:own', '@often:own');
INSERT INTO notice_senders (user_id, created_at_ms) VALUES ('@bot:own', 1);
INSERT INTO device_messages (user_id, device_id, position, message)
 SELECT user_id, 'D', 3 * n, 'm' FROM unnest('{@often:own,@seldom:own}'::text[]) AS user_id, generate_series(1, 3000) AS n;
INSERT INTO one_time_key_counters (user_id, device_id, algorithm, total, given, last_rank)
 SELECT user_id, 'D', 'signed_curve25519', 3000, 2990, 'k12999' FROM unnest('{@often:own,@seldom:own}'::text[]) AS user_id;
INSERT INTO one_time_key_batches (counter_nid, seq, total, first_rank, last_rank, keys)
 SELECT counter_nid, n, 1, 'k' || 10000 + n, 'k' || 10000 + n, '\x060001'::bytea || ('k' || 10000 + n || 'x')::bytea
 FROM one_time_key_counters, generate_series(0, 2999) AS n WHERE user_id IN ('@often:own', '@seldom:own');
INSERT INTO sliding_positions (user_id, device_id, conn_id, state)
 SELECT user_id, 'D', 'c' || n / 2, 's' FROM accounts, generate_series(2, 33) AS n;
INSERT INTO rendezvous_sessions (slot, id_hash, etag, payload, modified_ms, expires_ms)
 SELECT n, sha256(n::text::bytea), 'e', repeat('p', 4096)::bytea, 1, 3 FROM generate_series(1, 2048) AS n;
INSERT INTO delayed_events (delay_id, user_id, room_id, type, content, delay_ms, running_since_ms, due_at_ms)
 SELECT 'd' || n, '@u' || n % 200 || ':own', '!1', 't', '{}', 1, n, n FROM generate_series(1, 3000) AS n;
INSERT INTO own_devices (user_id, device_id, account) VALUES ('@seldom:own', 'D', 'a');
INSERT INTO device_list_changes (user_id, seen_by, position) SELECT user_id, '', 60000 - n FROM (SELECT user_id, row_number() OVER (ORDER BY user_id) AS n FROM accounts) AS a;
INSERT INTO account_data (user_id, room_nid, type, content, position)
 SELECT u, n, 'm.tag', '{}', 3 * n FROM unnest('{@often:own,@seldom:own}'::text[]) AS u, generate_series(0, 3000) AS n;
INSERT INTO notices (sender, texts, state, zone, except_at, created_at_ms) VALUES ('@bot:own', '', 'sent', '', '', 1);
INSERT INTO notice_deliveries (notice_id, due_at_ms, room_id, languages, txn_key, failures, event_id, sent_at_ms) SELECT notice_id, 1, '!3', '', '', 0, '$told', 1 FROM notices;
INSERT INTO notice_reminders (notice_id, due_at_ms, user_id, room_id, level, asked_at_ms, txn_key, next_try_ms, failures) SELECT notice_id, 1, '@seldom:own', '!3', 'read', 1, '', 1, 0 FROM notices;
-- A direct room of a sender of notices
INSERT INTO members (room_nid, user_id, membership, position, is_local) SELECT 3, u, 'join', 61000, true FROM unnest('{@bot:own,@seldom:own}'::text[]) AS u;
INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)
 SELECT 3, 'm.room.member', u, 61000 + n, CASE WHEN n = 3000 THEN 9223372036854775807 ELSE 61001 + n END, 61000 + n, '$d' || u || n, CASE n WHEN 1 THEN 'invite' ELSE 'join' END
 FROM unnest('{@bot:own,@seldom:own}'::text[]) AS u, generate_series(1, 3000) AS n;
INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, notify_seq, highlight_seq)
 SELECT 3, 61000 + n, '$d' || n, 'm.room.member', '@seldom:own', '@seldom:own', n, 1, '{"is_direct": true}', 0, 0 FROM generate_series(1, 3000) AS n;
INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq) VALUES
 (3, 65000, '$said', 'm.room.message', '@seldom:own', 65000, 1, '{}', 0, 0), (3, 65001, '$told', 'm.room.message', '@bot:own', 65001, 1, '{}', 0, 0);
-- Most rooms are small.
INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq)
 SELECT n, 300000 + n, '$small' || n, 'm.room.message', '@u1:own', n, 1, '{}', 0, 0 FROM generate_series(1000, 3000) AS n;
INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
 SELECT n, '@n' || u || ':own', 'm.read', '', '$small' || n, 300000 + n, n, 310000 + 10 * n + u FROM generate_series(1000, 3000) AS n, generate_series(1, 10) AS u;

-- name: sliding_find hot
-- At most one row. Index: sliding_positions_pkey.
SELECT state FROM sliding_positions WHERE user_id = $1 AND device_id = $2 AND conn_id = $3 AND position_nid = $4;

-- name: sliding_add hot
-- One row, the new position, unless the device has ended. All others of the connection go but $4; if that is 0 also the device's other connections, so that the
-- $6 that were used last stay, this one among them. The device is held first, as its end holds it before its rows; what somebody else removes at the same
-- moment is left to them, so that nobody waits for another in a ring. Index: devices_pkey, sliding_positions_pkey.
WITH device AS (
	SELECT user_id, device_id FROM devices WHERE user_id = $1 AND device_id = $2 FOR KEY SHARE
), gone AS (
	DELETE FROM sliding_positions s USING (
		SELECT p.user_id, p.device_id, p.conn_id, p.position_nid
		FROM device d JOIN sliding_positions p ON p.user_id = d.user_id AND p.device_id = d.device_id
		WHERE CASE WHEN p.conn_id = $3 THEN p.position_nid <> $4::bigint
			ELSE $4::bigint = 0 AND p.conn_id IN (
				SELECT o.conn_id FROM sliding_positions o WHERE o.user_id = $1 AND o.device_id = $2 AND o.conn_id <> $3
				GROUP BY o.conn_id ORDER BY max(o.position_nid) DESC OFFSET $6::bigint - 1) END
		FOR UPDATE OF p SKIP LOCKED
	) AS h WHERE s.user_id = h.user_id AND s.device_id = h.device_id AND s.conn_id = h.conn_id AND s.position_nid = h.position_nid
)
INSERT INTO sliding_positions (user_id, device_id, conn_id, state) SELECT d.user_id, d.device_id, $3, $5 FROM device d
RETURNING position_nid;

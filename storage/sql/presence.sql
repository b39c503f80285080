-- name: presence_statuses_all
-- All of them, once at the start: as many users as have set one.
SELECT user_id, status_msg FROM presence_statuses;

-- name: presence_status_set
-- One row. Index: presence_statuses_pkey.
INSERT INTO presence_statuses (user_id, status_msg) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET status_msg = excluded.status_msg;

-- name: presence_status_delete
-- At most one row. Index: presence_statuses_pkey.
DELETE FROM presence_statuses WHERE user_id = $1;

-- What: a function that looks at tables which have doubled since PostgreSQL last looked at them.
-- Why:  plans are made once and kept until a table is looked at again (storage/pg.c). One that was made when a table was empty takes any index that
--       begins with the room, and autovacuum comes once a minute: until then each change of the state read all that held in the room, and what
--       follows the stream all members that there ever were. tests/plans asks with plans of empty tables.
-- Cost: nothing by itself. Old processes may run beside it.

CREATE FUNCTION renew_statistics() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	grown regclass;
	renewed bigint := 0;
BEGIN
	FOR grown IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
		AND pg_relation_size(oid) >= 2 * greatest(relpages, 8) * current_setting('block_size')::bigint
	LOOP
		EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
		renewed := renewed + 1;
	END LOOP;
	RETURN renewed;
END
$$;
COMMENT ON FUNCTION renew_statistics() IS 'Analyses tables of 16 pages and more that have doubled since they were last analysed: how many';

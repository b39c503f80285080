/*
 * The trie. Nodes are made at start and never change; a node's literals are sorted, so a look-up is
 * a binary search per segment. Matching keeps the branches still to be tried on a small stack of its
 * own: each node is visited at most once per request.
 */
#include "http/router.h"

#include "base/buf.h"
#include "base/mem.h"
#include "http/observe.h"

#include <string.h>

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_PATCH,
	METHOD_COUNT,
};

static const struct str method_names[METHOD_COUNT] = {[METHOD_GET] = STR_INIT("GET"),
	[METHOD_HEAD] = STR_INIT("HEAD"),
	[METHOD_POST] = STR_INIT("POST"),
	[METHOD_PUT] = STR_INIT("PUT"),
	[METHOD_DELETE] = STR_INIT("DELETE"),
	[METHOD_PATCH] = STR_INIT("PATCH")};

struct node {
	struct literal *literals; /* sorted by text */
	size_t literal_count;
	struct node *param;
	struct router_entry *entries[METHOD_COUNT];
	bool has_entries;
};

struct literal {
	struct str text; /* owned */
	struct node *node;
};

struct router {
	struct node root;
};

struct router *router_create(void)
{
	return mem_alloc(sizeof(struct router));
}

static void node_fini(struct node *node)
{
	for (size_t i = 0; i < node->literal_count; i++) {
		str_free(node->literals[i].text);
		node_fini(node->literals[i].node);
		mem_free(node->literals[i].node);
	}
	mem_free(node->literals);
	if (node->param != NULL) {
		node_fini(node->param);
		mem_free(node->param);
	}
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		mem_free(node->entries[i]);
	}
}

void router_destroy(struct router *router)
{
	if (router == NULL) {
		return;
	}
	node_fini(&router->root);
	mem_free(router);
}

static size_t method_of(struct str name)
{
	size_t i = 0;
	while (i < METHOD_COUNT && !str_equals(method_names[i], name)) {
		i++;
	}
	return i;
}

/* Where `text` stands among the literals, or where it belongs. */
static size_t literal_position(const struct node *node, struct str text, bool *out_found)
{
	size_t low = 0;
	size_t high = node->literal_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_compare(node->literals[middle].text, text);
		if (order == 0) {
			*out_found = true;
			return middle;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*out_found = false;
	return low;
}

static struct node *literal_child(struct node *node, struct str text)
{
	bool found = false;
	size_t at = literal_position(node, text, &found);
	if (!found) {
		node->literals =
			mem_realloc(node->literals, (node->literal_count + 1) * sizeof(*node->literals));
		memmove(node->literals + at + 1, node->literals + at,
			(node->literal_count - at) * sizeof(*node->literals));
		node->literals[at] =
			(struct literal){.text = str_heap(text), .node = mem_alloc(sizeof(struct node))};
		node->literal_count++;
	}
	return node->literals[at].node;
}

static void place_entry(struct node *node, const struct router_entry *entry)
{
	size_t method = method_of(str_of(entry->route->method));
	invariant(method < METHOD_COUNT);
	invariant(node->entries[method] == NULL); /* two rows for one method and path */
	node->entries[method] = mem_dup(entry, sizeof(*entry));
	node->has_entries = true;
}

/* Places a row below `node`; `rest` is what remains of its template. Recurses over templates only. */
static void insert(struct node *node, struct str rest, struct router_entry entry)
{
	struct str segment;
	struct str tail;
	bool more = str_split(rest, '/', &segment, &tail);
	if (str_starts_with(segment, STR("{")) && str_ends_with(segment, STR("}"))) {
		invariant(entry.param_count < ROUTER_MAX_PARAMS);
		entry.param_names[entry.param_count++] = str_slice(segment, 1, segment.n - 1);
		if (node->param == NULL) {
			node->param = mem_alloc(sizeof(struct node));
		}
		if (more) {
			insert(node->param, tail, entry);
		} else {
			place_entry(node->param, &entry);
		}
		return;
	}
	struct str alternatives = segment;
	if (str_starts_with(segment, STR("(")) && str_ends_with(segment, STR(")"))) {
		alternatives = str_slice(segment, 1, segment.n - 1);
	}
	bool more_alternatives = true;
	while (more_alternatives) {
		struct str literal;
		struct str others;
		more_alternatives = str_split(alternatives, '|', &literal, &others);
		alternatives = others;
		struct node *child = literal_child(node, literal);
		if (more) {
			insert(child, tail, entry);
		} else {
			place_entry(child, &entry);
		}
	}
}

void router_add_table(struct router *router, const struct route_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct route *row = &table->rows[i];
		struct str path = str_of(row->path);
		invariant(path.n > 0 && path.p[0] == '/');
		invariant(row->handler != NULL && row->id != NULL);
		struct router_entry entry = {.route = row,
			.service = table->service,
			.stats = route_stats_of(row->id)};
		insert(&router->root, str_slice(path, 1, path.n), entry);
	}
}

/* A branch still to be tried: `node` stands behind `depth` segments. */
struct branch {
	const struct node *node;
	size_t depth;
	size_t params;
	bool is_param; /* the last segment is a parameter */
};

struct search {
	const struct uri_path *path;
	struct branch stack[2 * URI_MAX_SEGMENTS + 2];
	size_t n;
	bool allowed[METHOD_COUNT];
	bool any_path;
};

static void push_branch(struct search *search, struct branch branch)
{
	invariant(search->n < COUNT_OF(search->stack));
	search->stack[search->n++] = branch;
}

/* Pushes what may follow; what is tried first is pushed last. */
static void push_children(struct search *search, const struct branch *at)
{
	struct str segment = search->path->segments[at->depth];
	bool is_last = at->depth + 1 == search->path->n;
	const struct node *node = at->node;
	if (segment.n > 0 && node->param != NULL) {
		push_branch(search,
			(struct branch){.node = node->param,
				.depth = at->depth + 1,
				.params = at->params + 1,
				.is_param = true});
	}
	if (segment.n == 0 && is_last && node->has_entries && node->param != NULL &&
		node->param->has_entries) {
		push_branch(search,
			(struct branch){.node = node, .depth = at->depth + 1, .params = at->params});
	}
	bool found = false;
	size_t position = literal_position(node, segment, &found);
	if (found) {
		push_branch(search,
			(struct branch){.node = node->literals[position].node,
				.depth = at->depth + 1,
				.params = at->params});
	}
}

static const struct router_entry *entry_of(const struct node *node, size_t method)
{
	const struct router_entry *entry = method < METHOD_COUNT ? node->entries[method] : NULL;
	if (entry == NULL && method == METHOD_HEAD) {
		entry = node->entries[METHOD_GET];
	}
	return entry;
}

static void note_allowed(struct search *search, const struct node *node)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		search->allowed[i] = search->allowed[i] || entry_of(node, i) != NULL;
	}
	search->any_path = search->any_path || node->has_entries;
}

/* "GET, HEAD, OPTIONS" */
static void write_allow(const struct search *search, char *out, size_t room)
{
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, room);
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		if (search->allowed[i]) {
			buf_add(&text, method_names[i]);
			buf_add_lit(&text, ", ");
		}
	}
	buf_add(&text, STR("OPTIONS"));
	buf_add_byte(&text, '\0');
	invariant(buf_ok(&text)); /* all methods together fit */
	memcpy(out, text.p, text.n);
}

enum router_result router_match(const struct router *router, struct str method_name,
	const struct uri_path *path, struct router_match *out)
{
	size_t method = method_of(method_name);
	struct search search = {.path = path};
	push_branch(&search, (struct branch){.node = &router->root});
	while (search.n > 0) {
		struct branch branch = search.stack[--search.n];
		if (branch.is_param) {
			if (branch.params > ROUTER_MAX_PARAMS) {
				continue;
			}
			out->params[branch.params - 1] = path->segments[branch.depth - 1];
		}
		if (branch.depth < path->n) {
			push_children(&search, &branch);
			continue;
		}
		const struct router_entry *entry = entry_of(branch.node, method);
		if (entry != NULL) {
			out->entry = entry;
			return ROUTER_FOUND;
		}
		note_allowed(&search, branch.node);
	}
	if (!search.any_path) {
		return ROUTER_NO_PATH;
	}
	write_allow(&search, out->allow, sizeof(out->allow));
	return ROUTER_NO_METHOD;
}

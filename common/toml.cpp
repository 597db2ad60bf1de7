/* The one place that knows toml++ (and C++). Its exceptions end here. */

extern "C" {
#include "common/toml.h"

#include "common/error.h"
}

#include <algorithm>
#include <cstdlib>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

namespace
{

/* ---- depth ------------------------------------------------------------------ */

/* The library recurses over tables, and a dotted key makes as many as it has
 * dots, so both are bounded before it sees the text. The language needs 4. */
constexpr int nesting_max = 32;

/* Steps over strings and comments of a valid document. In an invalid one it may
 * be wrong, but only behind the place where the library stops reading. */
struct scanner {
    std::string_view text;
    std::size_t at = 0;
    int line = 1;
    int open = 0, dots = 0;

    bool starts(std::string_view word) const
    {
        return text.substr(at, word.size()) == word;
    }

    void skip_comment()
    {
        while (at < text.size() && text[at] != '\n')
            at++;
    }

    void skip_string()
    {
        const char quote = text[at];
        const std::string three(3, quote);
        const bool multi = starts(three);

        at += multi ? 3 : 1;
        while (at < text.size()) {
            if (multi ? starts(three) : text[at] == quote)
                break;
            if (!multi && text[at] == '\n')
                return; /* not valid: the library will say so */
            if (text[at] == '\\' && quote == '"')
                at++;
            if (at < text.size() && text[at] == '\n')
                line++;
            at++;
        }
        at += multi ? 3 : 1;
    }

    void step()
    {
        const char c = text[at++];

        if (c == '\n')
            line++;
        open += (c == '[' || c == '{') - (c == ']' || c == '}');
        if (c == '.')
            dots++;
        else if (std::strchr(",=[]{}\n", c) != nullptr)
            dots = 0;
    }

    /* False when it is too deep; line is then where. */
    bool scan()
    {
        while (at < text.size() && open <= nesting_max && dots <= nesting_max) {
            if (text[at] == '#')
                skip_comment();
            else if (text[at] == '"' || text[at] == '\'')
                skip_string();
            else
                step();
        }
        return at >= text.size() && open <= nesting_max && dots <= nesting_max;
    }
};

/* ---- conversion ------------------------------------------------------------- */

/* Thrown with a sentence that already has its position. */
struct refused {
    std::string text;
};

char *copy_text(const std::string &text, const toml_node &node, const char *file)
{
    if (text.find('\0') != std::string::npos)
        throw refused{std::string(file) + ":" + std::to_string(node.line) + ":" +
                      std::to_string(node.column) + ": a NUL character is not allowed"};
    char *copy = strdup(text.c_str());
    if (!copy)
        throw std::bad_alloc();
    return copy;
}

void place(toml_node &node, const toml::source_region &region)
{
    if (region.begin.line == 0)
        return; /* keep the parent's */
    node.line = static_cast<int>(region.begin.line);
    node.column = static_cast<int>(region.begin.column);
}

void make_children(toml_node &node, std::size_t count)
{
    if (count == 0)
        return;
    node.children = static_cast<toml_node *>(std::calloc(count, sizeof(toml_node)));
    if (!node.children)
        throw std::bad_alloc();
}

void convert(const toml::node &from, toml_node &to, const char *file);

/* The library sorts a table by key; the file's order is that of the places. */
void convert_table(const toml::table &from, toml_node &to, const char *file)
{
    using entry = std::pair<const toml::key *, const toml::node *>;
    std::vector<entry> entries;

    for (auto &&[key, value] : from)
        entries.emplace_back(&key, &value);
    std::stable_sort(entries.begin(), entries.end(), [](const entry &a, const entry &b) {
        return a.first->source().begin < b.first->source().begin;
    });
    to.type = TOML_TABLE;
    to.is_inline = from.is_inline();
    make_children(to, entries.size());
    for (const entry &item : entries) {
        toml_node &child = to.children[to.count++];
        child.line = to.line;
        child.column = to.column;
        place(child, item.first->source());
        child.key = copy_text(std::string(item.first->str()), child, file);
        convert(*item.second, child, file);
    }
}

void convert_array(const toml::array &from, toml_node &to, const char *file)
{
    to.type = TOML_ARRAY;
    make_children(to, from.size());
    for (const toml::node &item : from) {
        toml_node &child = to.children[to.count++];
        child.line = to.line;
        child.column = to.column;
        place(child, item.source());
        convert(item, child, file);
    }
}

void convert(const toml::node &from, toml_node &to, const char *file)
{
    if (const toml::table *table = from.as_table()) {
        convert_table(*table, to, file);
    } else if (const toml::array *array = from.as_array()) {
        convert_array(*array, to, file);
    } else if (const auto *string = from.as_string()) {
        to.type = TOML_STRING;
        to.string = copy_text(string->get(), to, file);
    } else if (const auto *integer = from.as_integer()) {
        to.type = TOML_INT;
        to.integer = integer->get();
    } else if (const auto *real = from.as_floating_point()) {
        to.type = TOML_REAL;
        to.real = real->get();
    } else if (const auto *boolean = from.as_boolean()) {
        to.type = TOML_BOOL;
        to.boolean = boolean->get();
    } else {
        std::ostringstream text;
        from.visit([&text](auto &&value) { text << value; });
        to.type = TOML_DATE;
        to.string = copy_text(text.str(), to, file);
    }
}

/* "Error while parsing key-value pair: expected value, saw '\\n'" without the
 * part before the colon, which the position says better. */
std::string sentence(const toml::parse_error &problem)
{
    const std::string text(problem.description());
    const std::size_t colon = text.find(": ");

    if (text.rfind("Error while parsing ", 0) == 0 && colon != std::string::npos)
        return text.substr(colon + 2);
    return text;
}

void free_node(toml_node &node)
{
    for (std::size_t i = 0; i < node.count; i++)
        free_node(node.children[i]);
    std::free(node.children);
    std::free(node.string);
    std::free(node.key);
}

} // namespace

/* ---- the C side ------------------------------------------------------------- */

struct toml_node *toml_parse(const char *text, size_t size, const char *file,
                             struct error *err)
{
    toml_node *root = static_cast<toml_node *>(std::calloc(1, sizeof *root));

    try {
        scanner scan{std::string_view(text, size)};
        if (!root)
            throw std::bad_alloc();
        root->line = root->column = 1;
        if (!scan.scan())
            throw refused{std::string(file) + ":" + std::to_string(scan.line) +
                          ":1: tables and lists more than " +
                          std::to_string(nesting_max) + " deep"};
        convert(toml::parse(std::string_view(text, size)), *root, file);
        return root;
    } catch (const toml::parse_error &problem) {
        err_set(err, ERR_INVALID, "%s:%u:%u: %s", file, problem.source().begin.line,
                problem.source().begin.column, sentence(problem).c_str());
    } catch (const refused &problem) {
        err_set(err, ERR_INVALID, "%s", problem.text.c_str());
    } catch (const std::exception &problem) {
        err_set(err, ERR_NO_MEMORY, "%s: %s", file, problem.what());
    }
    toml_free(&root);
    return nullptr;
}

void toml_free(struct toml_node **root)
{
    if (!root || !*root)
        return;
    free_node(**root);
    std::free(*root);
    *root = nullptr;
}

const struct toml_node *toml_get(const struct toml_node *table, const char *key)
{
    for (std::size_t i = 0; i < table->count; i++)
        if (std::strcmp(table->children[i].key, key) == 0)
            return &table->children[i];
    return nullptr;
}

static int list_value(const struct toml_node *node, struct value *ret, struct error *err)
{
    struct value list = value_list();

    for (std::size_t i = 0; i < node->count; i++) {
        struct value item;
        if (toml_value(&node->children[i], &item, err) || value_push(&list, item, err)) {
            value_free(&list);
            return -1;
        }
    }
    *ret = list;
    return 0;
}

int toml_value(const struct toml_node *node, struct value *ret, struct error *err)
{
    switch (node->type) {
    case TOML_ARRAY:
        return list_value(node, ret, err);
    case TOML_STRING:
        return value_string(node->string, ret, err);
    case TOML_INT:
        *ret = value_int(node->integer);
        return 0;
    case TOML_REAL:
        *ret = value_real(node->real);
        return 0;
    case TOML_BOOL:
        *ret = value_bool(node->boolean);
        return 0;
    case TOML_TABLE:
    case TOML_DATE:
        break;
    }
    return err_set(err, ERR_INVALID, "%s is not a value that an option can have",
                   toml_type_name(node->type));
}

const char *toml_type_name(enum toml_type type)
{
    static const char *const names[] = {"a table",    "a list",   "a string",
                                        "an integer", "a number", "true or false",
                                        "a date"};
    return names[type];
}

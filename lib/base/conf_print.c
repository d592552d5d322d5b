/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <stdbool.h>
#include <string.h>

#include "base/conf_table.h"

#define LINE_COLUMNS 100

/* Write `text` in lines of at most `columns`, each after `indent`. */
static void print_wrapped(FILE *out, const char *indent, const char *text, size_t columns)
{
    size_t at = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (at > 0 && at + 1 + word > columns) {
            fputc('\n', out);
            at = 0;
        }
        if (at == 0)
            at = strlen(indent), fputs(indent, out);
        else
            at++, fputc(' ', out);
        fwrite(text, 1, word, out);
        at += word;
        text += word + (text[word] == ' ');
    }
    fputc('\n', out);
}

static void print_default(FILE *out, const struct conf_option *option, bool template)
{
    const char *rest;
    const struct conf_directory *directory = conf_directory_of(option->fallback, &rest);
    if (directory != NULL && template)
        fprintf(out, "@%s@", directory->name);
    else if (directory != NULL)
        fputs(directory->path, out);
    fputs(rest, out);
}

/* The options of one section: `*first`, and how many. */
static size_t options_of(const struct conf_section *section, const struct conf_option **first)
{
    const struct conf_option *options = conf_options;
    size_t count = conf_option_count, n = 0;
    if (strcmp(section->name, "view") == 0)
        options = conf_view_options, count = conf_view_option_count;
    while (count > 0 && strcmp(options->section, section->name) != 0)
        options++, count--;
    *first = options;
    while (n < count && strcmp(options[n].section, section->name) == 0)
        n++;
    return n;
}

static bool is_view(const struct conf_section *section) { return strcmp(section->name, "view") == 0; }

/* ---- INI ---- */

static void print_ini_option(FILE *out, const struct conf_option *option, bool template)
{
    char range[CONF_RANGE_TEXT];
    fputc('\n', out);
    print_wrapped(out, "# ", option->text, LINE_COLUMNS);
    fprintf(out, "# Permitted: %s.\n", conf_range(option, range));
    fprintf(out, "#%s =%s", option->name, *option->fallback == '\0' ? "" : " ");
    print_default(out, option, template);
    fputc('\n', out);
}

void conf_print_ini(FILE *out, bool template)
{
    fputs("# What hourfold-collect, hourfold-query, hourfold-consumer and hourfold read. Every option is here with\n"
          "# its default; take the \"#\" away before its name to change it. \"hourfold check-config\" reads the file\n"
          "# and says what is wrong. The environment variable HOURFOLD_<SECTION>_<NAME> overrides an option. A line\n"
          "# has at most 197 bytes; a comment begins with \"#\" or \";\", after a value with \" ;\". See hourfold.conf(5).\n",
          out);
    for (size_t i = 0; i < conf_section_count; i++) {
        const struct conf_option *options;
        size_t count = options_of(&conf_sections[i], &options);
        fputc('\n', out);
        print_wrapped(out, "# ", conf_sections[i].text, LINE_COLUMNS);
        fputs(is_view(&conf_sections[i]) ? "#[view NAME]\n" : "", out);
        if (!is_view(&conf_sections[i]))
            fprintf(out, "[%s]\n", conf_sections[i].name);
        for (size_t n = 0; n < count; n++)
            print_ini_option(out, &options[n], template);
    }
}

/* ---- mdoc ---- */

/* Each sentence on a line of its own, as mdoc(7) asks; a backslash escaped. */
static void print_sentences(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '.' && text[1] == ' ')
            fputs(".\n", out), text++;
        else
            fputc(*text, out);
    }
    fputc('\n', out);
}

static void print_mdoc_option(FILE *out, const struct conf_option *option, bool template)
{
    char range[CONF_RANGE_TEXT];
    fprintf(out, ".It Ic %s No = ", option->name);
    if (*option->fallback == '\0')
        fputs("\\&", out);
    print_default(out, option, template);
    fputc('\n', out);
    print_sentences(out, option->text);
    fprintf(out, "Permitted: %s.\n", conf_range(option, range));
}

void conf_print_mdoc(FILE *out, bool template)
{
    for (size_t i = 0; i < conf_section_count; i++) {
        const struct conf_option *options;
        size_t count = options_of(&conf_sections[i], &options);
        fprintf(out, ".Ss [%s%s]\n", conf_sections[i].name, is_view(&conf_sections[i]) ? " NAME" : "");
        print_sentences(out, conf_sections[i].text);
        fputs(".Bl -tag -width Ds\n", out);
        for (size_t n = 0; n < count; n++)
            print_mdoc_option(out, &options[n], template);
        fputs(".El\n", out);
    }
}

/* ---- help ---- */

static bool is_named(const char *name, const char *list)
{
    size_t len = strlen(name);
    for (; *list != '\0'; list += strcspn(list, " "), list += *list == ' ')
        if (strcspn(list, " ") == len && memcmp(list, name, len) == 0)
            return true;
    return false;
}

void conf_print_help(FILE *out, const char *sections)
{
    for (size_t i = 0; i < conf_section_count; i++) {
        const struct conf_option *options;
        size_t count = options_of(&conf_sections[i], &options);
        if (!is_named(conf_sections[i].name, sections))
            continue;
        fprintf(out, "\n[%s%s]\n", conf_sections[i].name, is_view(&conf_sections[i]) ? " NAME" : "");
        for (size_t n = 0; n < count; n++) {
            char range[CONF_RANGE_TEXT];
            fprintf(out, "  %s =%s", options[n].name, *options[n].fallback == '\0' ? "" : " ");
            print_default(out, &options[n], false);
            fprintf(out, "   (%s)\n", conf_range(&options[n], range));
            print_wrapped(out, "      ", options[n].text, LINE_COLUMNS);
        }
    }
}

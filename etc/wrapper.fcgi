#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts the FastCGI program that this file is named after, where the web server's configuration cannot (shared hosting):
# copy it as hourfold-collect.fcgi and as hourfold-query.fcgi.
#
# To fill in, where this is not the installed copy:
#   @libexecdir@   the directory of hourfold-collect and hourfold-query
#   @sysconfdir@   the directory of hourfold.conf
name=${0##*/}
HOURFOLD_CONF='@sysconfdir@/hourfold.conf' exec '@libexecdir@'/"${name%.fcgi}"

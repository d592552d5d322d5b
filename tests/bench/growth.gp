# SPDX-License-Identifier: Apache-2.0
# gnuplot -e "data='growth.csv'; picture='growth.svg'" growth.gp
set terminal svg size 1100,1300 font "sans,12" background "white"
set output picture
set datafile separator ","
set logscale x 10
set grid
set key bottom left
set multiplot layout 4,2

# What table `t` says of `side`, in column c.
of(t, side, c) = (strcol(1) eq t && strcol(3) eq side) ? column(c) : NaN

tables = "'connections' 'samples a request' 'active keys' 'cells in the store'"
units = "'requests a second' 'samples a second' 'samples a second, folded' 'queries a second'"
do for [i=1:4] {
    t = word(tables, i)
    set xlabel t
    set yrange [0:*]
    set ylabel word(units, i)
    unset logscale y
    plot data using (of(t, "hourfold", 2)):(of(t, "hourfold", 4)) with linespoints pt 7 title "hourfold", \
         data using (of(t, "empty handler", 2)):(of(t, "empty handler", 4)) with linespoints pt 6 dt 2 \
             title (i == 1 ? "empty handler" : "")
    set ylabel "p99, ms"
    set logscale y 10
    set yrange [*:*]
    plot data using (of(t, "hourfold", 2)):(of(t, "hourfold", 5)) with linespoints pt 7 title "hourfold", \
         data using (of(t, "empty handler", 2)):(of(t, "empty handler", 5)) with linespoints pt 6 dt 2 \
             title (i == 1 ? "empty handler" : "")
}
unset multiplot

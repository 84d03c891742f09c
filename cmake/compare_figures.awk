# Compares two tables of kernels (cmake/cuda_figures.sh): prints the rows that differ, < then >, and
# ends with 1 if there are any. Which value lies in which register depends on the kernels' names, and
# these on the folder of the sources: 4 registers may come and go, and in double precision what is
# spilled, as long as occupancy stays.
# usage: awk -f compare_figures.awk BEFORE NOW
# SPDX-License-Identifier: MIT
/^#/ { next }
{
  # kernel precision sm threads registers shared local spills occupancy
  key = $1 " " $2 " " $3 " " $4
  fixed = $6 " " $9 ($2 == "single" ? " " $7 " " $8 : "")
}
NR == FNR {
  row[key] = $0
  registers[key] = $5
  others[key] = fixed
  next
}
{
  change = $5 - registers[key]
  if (!(key in row) || fixed != others[key] || change > 4 || change < -4) {
    if (key in row) print "< " row[key]
    print "> " $0
    bad = 1
  }
  delete row[key]
}
END {
  for (key in row) {
    print "< " row[key]
    bad = 1
  }
  exit bad
}

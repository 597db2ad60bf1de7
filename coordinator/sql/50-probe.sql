-- Schema 4: what probes tell beyond the points of a line.


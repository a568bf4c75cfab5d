module tusk.tests/goclient

go 1.19

require github.com/colinmarc/hdfs/v2 v2.4.0

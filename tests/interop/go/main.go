// Exercises an HDFS cluster with the stock Go client. Argument: host:port of the namenode.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/colinmarc/hdfs/v2"
)

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func numbers(from, to int) []byte {
	var b bytes.Buffer
	for i := from; i <= to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.Bytes()
}

func main() {
	client, err := hdfs.New(os.Args[1])
	must(err, "connect")
	defer client.Close()
	must(client.MkdirAll("/go/sub", 0755), "mkdir")

	w, err := client.Create("/go/numbers")
	must(err, "create")
	_, err = w.Write(numbers(1, 150000))
	must(err, "write")
	must(w.Close(), "close")

	a, err := client.Append("/go/numbers")
	must(err, "append")
	_, err = a.Write(numbers(150001, 200000))
	must(err, "write after append")
	must(a.Close(), "close after append")

	got, err := client.ReadFile("/go/numbers")
	must(err, "read")
	if !bytes.Equal(got, numbers(1, 200000)) {
		must(fmt.Errorf("%d bytes read differ from what was written", len(got)), "compare")
	}
	r, err := client.Open("/go/numbers")
	must(err, "open")
	_, err = r.Seek(1000000, io.SeekStart)
	must(err, "seek")
	part := make([]byte, 100)
	_, err = io.ReadFull(r, part)
	must(err, "read at an offset")
	if !bytes.Equal(part, numbers(1, 200000)[1000000:1000100]) {
		must(fmt.Errorf("wrong bytes"), "read at an offset")
	}
	must(r.Close(), "close of the reader")

	must(client.Rename("/go/sub", "/go/renamed"), "rename")
	must(client.Chmod("/go/renamed", 0700), "chmod")
	infos, err := client.ReadDir("/go")
	must(err, "list")
	if len(infos) != 2 || infos[0].Name() != "numbers" || infos[1].Name() != "renamed" {
		must(fmt.Errorf("unexpected listing %v", infos), "list")
	}
	if _, err := client.Stat("/go/nothing"); !os.IsNotExist(err) {
		must(fmt.Errorf("stat of a missing path answered %v", err), "stat")
	}
	sum, err := client.GetContentSummary("/go")
	must(err, "content summary")
	if sum.FileCount() != 1 || sum.Size() != int64(len(got)) {
		must(fmt.Errorf("%d files, %d bytes", sum.FileCount(), sum.Size()), "content summary")
	}
	must(client.Remove("/go/renamed"), "remove")
	fmt.Println("ok")
}

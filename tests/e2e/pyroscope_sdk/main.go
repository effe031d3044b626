// Pyroscope_sdk is a Go program as people write it for Grafana Pyroscope: its SDK sends profiles of it to the
// collector, with the tags of what it works on.
//
//	pyroscope_sdk URL
//
// It ends with its standard input.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"time"

	"github.com/grafana/pyroscope-go"
)

var sink uint64

//go:noinline
func work(x uint64) uint64 {
	for i := uint64(0); i < 1<<20; i++ {
		x = x<<13 ^ x>>7 ^ i
	}
	return x
}

func serve(path string) {
	for {
		pyroscope.TagWrapper(context.Background(), pyroscope.Labels("http.route", path), func(context.Context) {
			sink += work(sink)
		})
	}
}

func main() {
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "sdk-shop",
		ServerAddress:   os.Args[1],
		Tags:            map[string]string{"region": "north"},
		UploadRate:      time.Second,
		ProfileTypes:    pyroscope.DefaultProfileTypes,
	})
	if err != nil {
		log.Fatal(err)
	}
	go serve("/cart")
	go serve("/checkout")
	io.Copy(io.Discard, os.Stdin)
	if err := profiler.Stop(); err != nil {
		log.Fatal(err)
	}
}

// Classes is a Go program that spends its time on one thing, and serves its own pprof.
//
//	classes cpu|mutex|channel|http|garbage|timer|file|network|stack|mem
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"sync"
	"time"
)

var sink uint64

//go:noinline
func mix(x uint64) uint64 {
	for i := uint64(0); i < 1<<12; i++ {
		x = x<<13 ^ x>>7 ^ i
	}
	return x
}

func cpu() {
	for {
		sink = mix(sink)
	}
}

func mutex() {
	var shared sync.Mutex
	counts := map[int]int{}
	hammer := func() {
		for i := 0; ; i++ {
			shared.Lock()
			counts[i&1023]++
			shared.Unlock()
		}
	}
	for i := 0; i < 7; i++ {
		go hammer()
	}
	hammer()
}

func channel() {
	pair := func() {
		there, back := make(chan int), make(chan int)
		go func() {
			for v := range there {
				back <- v
			}
		}()
		for i := 0; ; i++ {
			there <- i
			<-back
		}
	}
	go pair()
	pair()
}

func serve() {
	listener := listen()
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%d", mix(uint64(len(r.URL.Path))))
	}))
	ask := func() {
		for {
			answer, err := http.Get("http://" + listener.Addr().String() + "/")
			if err != nil {
				log.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	go ask()
	ask()
}

type node struct {
	next  *node
	bytes [112]byte
}

var kept [1 << 16]*node

func garbage() {
	for index := uint32(1); ; {
		index = index*1664525 + 1013904223
		kept[index>>16] = &node{}
	}
}

func timer() {
	for i := 0; i < 200; i++ {
		go func() {
			for range time.Tick(time.Millisecond) {
			}
		}()
	}
	select {}
}

func file() {
	path := os.TempDir() + "/pilotlight-classes"
	write := func() {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		os.Remove(path)
		block := make([]byte, 4096)
		for {
			if _, err := f.WriteAt(block, 0); err != nil {
				log.Fatal(err)
			}
		}
	}
	go write()
	write()
}

func network() {
	listener := listen()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go io.Copy(c, c)
		}
	}()
	echo := func() {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		buffer := make([]byte, 64)
		for {
			if _, err := c.Write(buffer); err != nil {
				log.Fatal(err)
			}
			if _, err := io.ReadFull(c, buffer); err != nil {
				log.Fatal(err)
			}
		}
	}
	for i := 0; i < 7; i++ {
		go echo()
	}
	echo()
}

//go:noinline
func deep(n int) uint64 {
	var ballast [64]uint64
	ballast[n&63] = uint64(n)
	if n == 0 {
		return ballast[0]
	}
	return deep(n-1) + ballast[n&63]
}

func stack() {
	for {
		done := make(chan uint64)
		go func() { done <- deep(1 << 12) }()
		sink = <-done
	}
}

//go:noinline
func copyAndZero(to, from []byte) {
	copy(to, from)
	for i := range from {
		from[i] = 0
	}
}

func mem() {
	from, to := make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		copyAndZero(to, from)
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	kinds := map[string]func(){"cpu": cpu, "mutex": mutex, "channel": channel, "http": serve, "garbage": garbage,
		"timer": timer, "file": file, "network": network, "stack": stack, "mem": mem}
	work := kinds[os.Args[len(os.Args)-1]]
	if work == nil {
		log.Fatal("usage: classes KIND")
	}
	own := listen()
	go http.Serve(own, nil)
	fmt.Printf("ready pid=%d url=http://%s\n", os.Getpid(), own.Addr())
	work()
}

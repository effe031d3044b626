// Stages is a Go program with twenty functions of equal cost, so that the top 20 of any true profile of it is
// known. Each stage calls score, which the compiler inlines. It serves net/http/pprof on localhost only.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
)

const rounds = 200000

var sink uint64

func score(x uint64) uint64 {
	x ^= x >> 33
	return x * 0xff51afd7ed558ccd
}

//go:noinline
func stageAccept() {
	x := uint64(1)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageParse() {
	x := uint64(2)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageRoute() {
	x := uint64(3)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageAuthenticate() {
	x := uint64(4)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageAuthorize() {
	x := uint64(5)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageThrottle() {
	x := uint64(6)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageDecode() {
	x := uint64(7)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageValidate() {
	x := uint64(8)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageLookup() {
	x := uint64(9)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageJoin() {
	x := uint64(10)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageFilter() {
	x := uint64(11)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageSort() {
	x := uint64(12)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageGroup() {
	x := uint64(13)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageScore() {
	x := uint64(14)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageRank() {
	x := uint64(15)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageRender() {
	x := uint64(16)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageEncode() {
	x := uint64(17)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageCompress() {
	x := uint64(18)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageSign() {
	x := uint64(19)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

//go:noinline
func stageSend() {
	x := uint64(20)
	for i := uint64(0); i < rounds; i++ {
		x = x<<13 ^ x>>7 ^ i
		if i&63 == 0 {
			x = score(x)
		}
	}
	sink += x
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ready pid=%d url=http://%s\n", os.Getpid(), listener.Addr())
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	for {
		stageAccept()
		stageParse()
		stageRoute()
		stageAuthenticate()
		stageAuthorize()
		stageThrottle()
		stageDecode()
		stageValidate()
		stageLookup()
		stageJoin()
		stageFilter()
		stageSort()
		stageGroup()
		stageScore()
		stageRank()
		stageRender()
		stageEncode()
		stageCompress()
		stageSign()
		stageSend()
	}
}

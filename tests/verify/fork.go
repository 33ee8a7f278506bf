// fork.go - fork FILE: checks the evidence that a node or a hub keeps when the
// log contradicts itself (fork-evidence-TIME.txt), with nothing of this project
// but the text. Exit 0: both checkpoints are signed by the log's key, and they
// are not two heads of one log, as far as a checkpoint can show that.
//
//	same-size  one size and two roots: proof by itself
//	no-proof   the proof that the hub gave does not lead from one to the other
//	shrunk     the later one is smaller
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const header = "tsunagi-fork-evidence/1"

type head struct {
	size int64
	root tlog.Hash
}

// evidence is the file cut up: the values on top, and the sections verbatim.
type evidence struct {
	value   map[string]string
	section map[string]string
}

func cut(text string) (*evidence, error) {
	e := &evidence{map[string]string{}, map[string]string{}}
	name := ""
	for i, line := range strings.SplitAfter(text, "\n") {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case i == 0 && bare != header:
			return nil, errors.New("no evidence")
		case strings.HasPrefix(bare, "---- ") && strings.HasSuffix(bare, " ----"):
			name = bare[5 : len(bare)-5]
		case name != "":
			e.section[name] += line
		case i > 0:
			if key, value, ok := strings.Cut(bare, " "); ok {
				e.value[key] = value
			}
		}
	}
	return e, nil
}

// open verifies a checkpoint with the log's key and reads its three lines.
func open(text string, v note.Verifier) (*head, error) {
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != v.Name() {
		return nil, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return nil, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return nil, errors.New("no root")
	}
	h := &head{size: size}
	copy(h.root[:], root)
	return h, nil
}

// proof is the section of that name, and the size that it starts at.
func (e *evidence) proof() (tlog.TreeProof, bool, error) {
	for name, text := range e.section {
		if !strings.HasPrefix(name, "proof from size ") {
			continue
		}
		var p tlog.TreeProof
		for _, line := range strings.Fields(text) {
			b, err := base64.StdEncoding.DecodeString(line)
			if err != nil || len(b) != tlog.HashSize {
				return nil, true, errors.New("no hash in the proof")
			}
			var h tlog.Hash
			copy(h[:], b)
			p = append(p, h)
		}
		return p, true, nil
	}
	return nil, false, nil
}

func contradict(e *evidence, a, b *head) error {
	switch {
	case a.size == b.size && a.root == b.root:
		return errors.New("the same head twice")
	case a.size == b.size:
		return nil
	case e.value["how"] == "shrunk" && b.size < a.size:
		return nil
	}
	if a.size > b.size {
		a, b = b, a
	}
	p, given, err := e.proof()
	if err != nil {
		return err
	}
	if given && tlog.CheckTree(p, b.size, b.root, a.size, a.root) == nil {
		return errors.New("one is proved to continue the other")
	}
	return nil
}

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	e, err := cut(string(text))
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(e.value["log"])
	if err != nil {
		return err
	}
	seen, err := open(e.section["seen before"], v)
	if err != nil {
		return fmt.Errorf("seen before: %w", err)
	}
	now, err := open(e.section["received now"], v)
	if err != nil {
		return fmt.Errorf("received now: %w", err)
	}
	if err := contradict(e, seen, now); err != nil {
		return err
	}
	fmt.Printf("%s signed both: %d and %d leaves (%s)\n", v.Name(), seen.size, now.size, e.value["how"])
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fork FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "fork:", err)
		os.Exit(9)
	}
}

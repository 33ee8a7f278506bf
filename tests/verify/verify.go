// verify.go - verifies an exported log, the evidence of a fork, and the proof
// of one leaf, with Go's own golang.org/x/mod/sumdb/{note,tlog} and no code of
// the programs that wrote them.
//
//	verify-go export FOLDER --vkey FILE [--policy FILE] [--older FILE]
//	verify-go fork FILE [--vkey FILE]
//	verify-go proof FILE --vkey FILE [--policy FILE]
//	verify-go serve     one request a line, words between tabs: FOLDER VKEY
//	                    POLICY OLDER ("-": no such file); answers "ok" or "bad"
//
// Exit 0: it holds; 1: it does not, and why.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height   = 8
	width    = 1 << height
	cosigner = 4
	dash     = "\u2014 "
)

func bad(where, what string) error { return fmt.Errorf("%s: %s", where, what) }

// ---- keys ----

// A cosigner signs a time and the text (C2SP tlog-cosignature).
type cosignature struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosignature) Name() string    { return c.name }
func (c *cosignature) KeyHash() uint32 { return c.hash }
func (c *cosignature) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(head), msg...), sig[8:])
}

func parseCosigner(text string) (note.Verifier, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("no key")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != cosigner {
		return nil, errors.New("no key of a cosigner")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if fmt.Sprintf("%x", sum[:4]) != parts[1] {
		return nil, errors.New("the key has another id")
	}
	return &cosignature{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

// One way to write a log's key: its bytes are those of its text.
func parseLog(text string) (note.Verifier, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("no key")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || base64.StdEncoding.EncodeToString(raw) != parts[2] {
		return nil, errors.New("no key")
	}
	return note.NewVerifier(text)
}

// ---- the policy of witnesses (C2SP tlog-policy) ----

type part struct {
	witness int // -1: a group
	k       int
	members []string
}
type policy struct {
	logs      []string
	witnesses []note.Verifier
	parts     map[string]part
	quorum    string
}

func parsePolicy(text []byte) (*policy, error) {
	p := &policy{parts: map[string]part{}}
	for _, line := range strings.Split(string(text), "\n") {
		w := strings.Fields(line)
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		if err := p.read(w); err != nil {
			return nil, err
		}
	}
	if p.quorum == "" {
		return nil, bad("policy.tlog", "no quorum")
	}
	return p, nil
}

func (p *policy) read(w []string) error {
	switch {
	case w[0] == "log" && len(w) >= 2:
		p.logs = append(p.logs, w[1])
	case w[0] == "witness" && len(w) >= 3:
		v, err := parseCosigner(w[2])
		if err != nil {
			return bad("policy.tlog", err.Error())
		}
		p.parts[w[1]] = part{witness: len(p.witnesses)}
		p.witnesses = append(p.witnesses, v)
	case w[0] == "group" && len(w) >= 4:
		members := w[3:]
		k, err := strconv.Atoi(w[2])
		if w[2] == "any" {
			k, err = 1, nil
		} else if w[2] == "all" {
			k, err = len(members), nil
		}
		if err != nil || k < 1 || k > len(members) {
			return bad("policy.tlog", "no group")
		}
		for _, m := range members {
			if _, ok := p.parts[m]; !ok {
				return bad("policy.tlog", "no such member")
			}
		}
		p.parts[w[1]] = part{-1, k, members}
	case w[0] == "quorum" && len(w) == 2:
		if _, ok := p.parts[w[1]]; !ok && w[1] != "none" {
			return bad("policy.tlog", "no such quorum")
		}
		p.quorum = w[1]
	default:
		return bad("policy.tlog", "no such line")
	}
	return nil
}

func (p *policy) met(good map[int]bool, name string) bool {
	if name == "none" {
		return true
	}
	at := p.parts[name]
	if at.witness >= 0 {
		return good[at.witness]
	}
	n := 0
	for _, m := range at.members {
		if p.met(good, m) {
			n++
		}
	}
	return n >= at.k
}

// ---- heads ----

type head struct {
	size int64
	root tlog.Hash
}

func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, errors.New("no number")
	}
	return n, nil
}

// tlog.ParseTree wants Go's own first line; the three lines are the same else.
func parseHead(text, origin string) (*head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != origin {
		return nil, errors.New("no checkpoint of this log")
	}
	n, err := number(lines[1])
	if err != nil {
		return nil, err
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return nil, errors.New("no root")
	}
	h := &head{size: n}
	copy(h.root[:], root)
	return h, nil
}

// A note that the log has signed, whoever else has.
func openNote(raw []byte, log note.Verifier) (*head, error) {
	n, err := note.Open(raw, note.VerifierList(log))
	if err != nil {
		return nil, err
	}
	return parseHead(n.Text, log.Name())
}

// Every line good, and in the one order: the log's, then the policy's.
func openHead(raw []byte, log note.Verifier, p *policy) (*head, error) {
	list := []note.Verifier{log}
	if p != nil {
		list = append(list, p.witnesses...)
	}
	n, err := note.Open(raw, note.VerifierList(list...))
	if err != nil {
		return nil, bad("checkpoint", err.Error())
	}
	if len(n.UnverifiedSigs) != 0 {
		return nil, bad("checkpoint", "a line of a stranger")
	}
	same, good, at := n.Text+"\n", map[int]bool{}, 0
	for i, s := range n.Sigs {
		for at < len(list) && (list[at].Name() != s.Name || list[at].KeyHash() != s.Hash) {
			at++
		}
		blob, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
		if at == len(list) || (i == 0) != (at == 0) || err != nil {
			return nil, bad("checkpoint", "a line out of order")
		}
		if at > 0 {
			good[at-1] = true
		}
		same += dash + s.Name + " " + base64.StdEncoding.EncodeToString(blob) + "\n"
		at++
	}
	if same != string(raw) {
		return nil, bad("checkpoint", "written in another way")
	}
	if p != nil && !p.met(good, p.quorum) {
		return nil, bad("checkpoint", "too few witnesses")
	}
	h, err := parseHead(n.Text, log.Name())
	if err != nil {
		return nil, bad("checkpoint", err.Error())
	}
	return h, nil
}

// ---- the tree ----

// All hashes in the order in which tlog stores them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		if x < 0 || x >= int64(len(h)) {
			return nil, errors.New("no such hash")
		}
		out[i] = h[x]
	}
	return out, nil
}

// Go writes the height into the path; C2SP fixes it.
func tileName(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
}

func entriesName(n int64, w int) string {
	t := tlog.Tile{H: height, L: 0, N: n, W: w}
	return "tile/entries/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/0/", height))
}

// The first two fields of a leaf: its index and its time.
func indexAndTime(leaf []byte) (index, time uint64, err error) {
	want := []struct {
		tag byte
		to  *uint64
	}{{0x08, &index}, {0x10, &time}}
	for _, f := range want {
		if len(leaf) == 0 || leaf[0] != f.tag {
			return 0, 0, errors.New("unreadable")
		}
		v, n := binary.Uvarint(leaf[1:])
		if n <= 0 {
			return 0, 0, errors.New("unreadable")
		}
		*f.to, leaf = v, leaf[1+n:]
	}
	return index, time, nil
}

// ---- the folder ----

type export struct {
	folder   string
	expected map[string]bool
}

func (x *export) read(name string) ([]byte, error) {
	x.expected[name] = true
	path := filepath.Join(x.folder, name)
	st, err := os.Lstat(path)
	if err == nil && !st.Mode().IsRegular() {
		return nil, bad(name, "no file")
	}
	if err != nil {
		return nil, bad(name, "missing")
	}
	return os.ReadFile(path)
}

func (x *export) leaves(size int64) (hashes, error) {
	var all hashes
	var last uint64
	for n := int64(0); n*width < size; n++ {
		w := width
		if size-n*width < width {
			w = int(size - n*width)
		}
		name := entriesName(n, w)
		data, err := x.read(name)
		if err != nil {
			return nil, err
		}
		for i := 0; i < w; i++ {
			if len(data) < 2 {
				return nil, bad(name, "cut off")
			}
			k := int(binary.BigEndian.Uint16(data))
			if k == 0 || len(data) < 2+k {
				return nil, bad(name, "cut off")
			}
			leaf, at := data[2:2+k], n*width+int64(i)
			data = data[2+k:]
			index, time, err := indexAndTime(leaf)
			if err != nil || index != uint64(at) || time < last {
				return nil, bad(name, "a leaf out of place")
			}
			last = time
			more, err := tlog.StoredHashesForRecordHash(at, tlog.RecordHash(leaf), all)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
		if len(data) != 0 {
			return nil, bad(name, "too long")
		}
	}
	return all, nil
}

func (x *export) tiles(size int64, all hashes) error {
	list := tlog.NewTiles(height, 0, size)
	for i, t := range list {
		if i+1 < len(list) && list[i+1].L == t.L && list[i+1].N == t.N {
			continue // a narrower one of the same place
		}
		name := tileName(t)
		want, err := tlog.ReadTileData(t, all)
		if err != nil {
			return err
		}
		data, err := x.read(name)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, want) {
			return bad(name, "does not fit the leaves")
		}
	}
	return nil
}

func (x *export) older(raw []byte, log note.Verifier, h *head, all hashes) error {
	old, err := openNote(raw, log)
	if err != nil {
		return bad("older", err.Error())
	}
	if old.size > h.size {
		return bad("older", "larger")
	}
	if old.size == 0 {
		return nil
	}
	proof, err := tlog.ProveTree(h.size, old.size, all)
	if err != nil {
		return err
	}
	if tlog.CheckTree(proof, h.size, h.root, old.size, old.root) != nil {
		return bad("older", "not of this log")
	}
	return nil
}

func (x *export) nothingElse() error {
	return filepath.Walk(x.folder, func(path string, st os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(x.folder, path)
		if st.IsDir() {
			in, err := os.ReadDir(path)
			if err == nil && len(in) == 0 {
				err = bad(name, "does not belong here")
			}
			return err
		}
		if !x.expected[name] {
			return bad(name, "does not belong here")
		}
		return nil
	})
}

func verifyExport(folder, vkey, policyFile, older string) (int64, error) {
	x := &export{folder, map[string]bool{}}
	key, log, err := readKey(vkey)
	if err != nil {
		return 0, err
	}
	own, err := x.read("log.vkey")
	if err != nil || !bytes.Equal(own, key) {
		return 0, bad("log.vkey", "another key")
	}
	var p *policy
	if policyFile != "-" {
		if p, err = x.policy(policyFile, key); err != nil {
			return 0, err
		}
	}
	raw, err := x.read("checkpoint")
	if err != nil {
		return 0, err
	}
	h, err := openHead(raw, log, p)
	if err != nil {
		return 0, err
	}
	all, err := x.leaves(h.size)
	if err != nil {
		return 0, err
	}
	if err = x.tiles(h.size, all); err != nil {
		return 0, err
	}
	root, err := tlog.TreeHash(h.size, all)
	if err != nil || root != h.root {
		return 0, bad("checkpoint", "another root")
	}
	if older != "-" {
		old, err := os.ReadFile(older)
		if err != nil {
			return 0, err
		}
		if err = x.older(old, log, h, all); err != nil {
			return 0, err
		}
	}
	return h.size, x.nothingElse()
}

func (x *export) policy(file string, key []byte) (*policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	own, err := x.read("policy.tlog")
	if err != nil || !bytes.Equal(own, text) {
		return nil, bad("policy.tlog", "another policy")
	}
	p, err := parsePolicy(text)
	if err != nil {
		return nil, err
	}
	for _, l := range p.logs {
		if l == strings.TrimSuffix(string(key), "\n") {
			return p, nil
		}
	}
	return nil, bad("policy.tlog", "of another log")
}

func readKey(file string) ([]byte, note.Verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, nil, bad(file, "no line")
	}
	log, err := parseLog(strings.TrimSuffix(string(text), "\n"))
	return text, log, err
}

// ---- the evidence of a fork ----

type evidence struct {
	values   map[string]string
	sections map[string]string
}

// Lines "key value", then sections that begin with "---- NAME ----".
func readEvidence(file string) (*evidence, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	e := &evidence{map[string]string{}, map[string]string{}}
	section := ""
	for i, line := range strings.SplitAfter(string(text), "\n") {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case i == 0 && bare != "tsunagi-fork-evidence/1":
			return nil, bad(file, "no evidence of a fork")
		case i == 0:
		case strings.HasPrefix(bare, "---- ") && strings.HasSuffix(bare, " ----"):
			section = strings.TrimSuffix(strings.TrimPrefix(bare, "---- "), " ----")
			if strings.HasPrefix(section, "proof from size ") {
				section = "proof"
			}
		case section == "":
			if w := strings.SplitN(bare, " ", 2); len(w) == 2 {
				e.values[w[0]] = w[1]
			}
		default:
			e.sections[section] += line
		}
	}
	return e, nil
}

func (e *evidence) proof() (tlog.TreeProof, error) {
	var p tlog.TreeProof
	for _, line := range strings.Fields(e.sections["proof"]) {
		raw, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(raw) != tlog.HashSize {
			return nil, errors.New("no proof")
		}
		var h tlog.Hash
		copy(h[:], raw)
		p = append(p, h)
	}
	return p, nil
}

// What two heads of one log say against it.
func judge(e *evidence, before, now *head) (string, error) {
	if before.size == now.size {
		if before.root == now.root {
			return "", errors.New("the heads are the same")
		}
		return fmt.Sprintf("a fork: two roots for %d leaves, both signed", now.size), nil
	}
	if now.size < before.size && e.values["how"] == "shrunk" {
		return fmt.Sprintf("a head of %d leaves signed and shown after one of %d",
			now.size, before.size), nil
	}
	if now.size < before.size {
		before, now = now, before
	}
	p, err := e.proof()
	if err != nil {
		return "", err
	}
	if before.size > 0 &&
		tlog.CheckTree(p, now.size, now.root, before.size, before.root) == nil {
		return "", errors.New("the proof holds: one log")
	}
	return fmt.Sprintf("heads of %d and %d leaves, both signed; the proof that came with "+
		"them does not join them", before.size, now.size), nil
}

func verifyFork(file, vkey string) error {
	e, err := readEvidence(file)
	if err != nil {
		return err
	}
	key := e.values["log"]
	if vkey != "-" {
		text, _, err := readKey(vkey)
		if err != nil {
			return err
		}
		key = strings.TrimSuffix(string(text), "\n")
	}
	log, err := parseLog(key)
	if err != nil {
		return bad(file, "no key: "+err.Error())
	}
	before, err := openSection(e, "seen before", log)
	if err != nil {
		return err
	}
	now, err := openSection(e, "received now", log)
	if err != nil {
		return err
	}
	said, err := judge(e, before, now)
	if err == nil {
		fmt.Printf("%s: %s\nsigned by %s\n", file, said, key)
	}
	return err
}

func openSection(e *evidence, name string, log note.Verifier) (*head, error) {
	h, err := openNote([]byte(e.sections[name]), log)
	if err != nil {
		return nil, bad(name, err.Error())
	}
	return h, nil
}

// ---- one leaf (C2SP tlog-proof) ----

func verifyProof(file, vkey, policyFile string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	key, log, err := readKey(vkey)
	if err != nil {
		return err
	}
	top := strings.SplitN(string(text), "\n\n", 2)
	lines := strings.Split(top[0], "\n")
	if len(top) != 2 || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" ||
		!strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return bad(file, "no proof of a leaf that it carries")
	}
	leaf, err := base64.StdEncoding.Strict().DecodeString(lines[1][len("extra "):])
	if err != nil {
		return bad(file, "no leaf")
	}
	index, err := number(lines[2][len("index "):])
	if err != nil {
		return bad(file, "no index")
	}
	e := &evidence{sections: map[string]string{"proof": strings.Join(lines[3:], "\n")}}
	path, err := e.proof()
	if err != nil {
		return bad(file, "no proof")
	}
	h, err := proofHead([]byte(top[1]), log, policyFile, key)
	if err != nil {
		return err
	}
	if index >= h.size {
		return bad(file, "beyond the head")
	}
	if err = tlog.CheckRecord(tlog.RecordProof(path), h.size, h.root, index,
		tlog.RecordHash(leaf)); err != nil {
		return bad(file, err.Error())
	}
	fmt.Printf("%s: leaf %d of %d\n", file, index, h.size)
	return nil
}

// With a policy the head of the proof must have its quorum.
func proofHead(raw []byte, log note.Verifier, policyFile string, key []byte) (*head, error) {
	if policyFile == "-" {
		return openNote(raw, log)
	}
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, err
	}
	p, err := parsePolicy(text)
	if err != nil {
		return nil, err
	}
	return openHead(raw, log, p)
}

// ---- the command line ----

func serve() error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		w := strings.Split(in.Text(), "\t")
		if len(w) != 4 {
			return errors.New("four words")
		}
		if size, err := verifyExport(w[0], w[1], w[2], w[3]); err != nil {
			fmt.Println("bad", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", size)
		}
	}
	return in.Err()
}

func run(args []string) error {
	opt := map[string]string{"--vkey": "-", "--policy": "-", "--older": "-"}
	var words []string
	for i := 0; i < len(args); i++ {
		if _, ok := opt[args[i]]; ok && i+1 < len(args) {
			opt[args[i]] = args[i+1]
			i++
		} else {
			words = append(words, args[i])
		}
	}
	switch {
	case len(words) == 1 && words[0] == "serve":
		return serve()
	case len(words) == 2 && words[0] == "export":
		size, err := verifyExport(words[1], opt["--vkey"], opt["--policy"], opt["--older"])
		if err == nil {
			fmt.Printf("%s: all %d leaves and the signed head hold\n", words[1], size)
		}
		return err
	case len(words) == 2 && words[0] == "fork":
		return verifyFork(words[1], opt["--vkey"])
	case len(words) == 2 && words[0] == "proof":
		return verifyProof(words[1], opt["--vkey"], opt["--policy"])
	}
	return errors.New("export FOLDER | fork FILE | proof FILE | serve")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

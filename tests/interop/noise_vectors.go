// Writes the same test vectors as generate_noise_vectors.py, made by flynn/noise instead.
//
// Run it with Debian's packages: GOPATH=/usr/share/gocode GO111MODULE=off go run noise_vectors.go
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/flynn/noise"
	"golang.org/x/crypto/blake2b"
)

const rekeyInterval = 1024

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// Kept of a long transcript, besides a hash of it all.
var selected = []int{0, 1, 2, 1022, 1023, 1024, 1025, 2046, 2047, 2048, 2049, 3071, 3072}

type description struct {
	name     string
	prologue []byte
	payloads [3][]byte // of the three messages
	counts   [2]int    // records that the initiator and the responder send
}

func descriptions() []description {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	return []description{
		{"nothing but the handshake", nil, [3][]byte{}, [2]int{0, 0}},
		{"a few records", nil, [3][]byte{[]byte("a"), nil, []byte("ccc")}, [2]int{3, 1}},
		{"two rekeys each way", []byte("kith 1"),
			[3][]byte{make([]byte, 100), bytes.Repeat([]byte{0xff}, 1000), []byte("hello")}, [2]int{2100, 2050}},
		{"uneven directions", everyByte, [3][]byte{}, [2]int{3073, 1024}},
	}
}

type message struct {
	Payload string `json:"payload"`
	Message string `json:"message"`
}

type record struct {
	Index  int    `json:"index"`
	Record string `json:"record"`
}

type transcript struct {
	Count    int      `json:"count"`
	Blake2b  string   `json:"blake2b"`
	Selected []record `json:"selected"`
}

type vector struct {
	Name               string        `json:"name"`
	Prologue           string        `json:"prologue"`
	InitiatorStatic    string        `json:"initiator_static"`
	InitiatorEphemeral string        `json:"initiator_ephemeral"`
	ResponderStatic    string        `json:"responder_static"`
	ResponderEphemeral string        `json:"responder_ephemeral"`
	Messages           []message     `json:"messages"`
	HandshakeHash      string        `json:"handshake_hash"`
	Records            [2]transcript `json:"records"`
}

type document struct {
	Protocol      string   `json:"protocol"`
	RekeyInterval int      `json:"rekey_interval"`
	Vectors       []vector `json:"vectors"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func secret(vector, label string) []byte {
	digest := sha256.Sum256([]byte(vector + ": " + label))
	return digest[:]
}

func pair(secret []byte) noise.DHKey {
	key, err := noise.DH25519.GenerateKeypair(bytes.NewReader(secret))
	check(err)
	return key
}

// sender is 0 for the initiator, 1 for the responder.
func recordPayload(sender, index int) []byte {
	payload := make([]byte, 37*index%251)
	for j := range payload {
		payload[j] = byte(index + 7*j + sender)
	}
	return payload
}

func isSelected(index int) bool {
	for _, i := range selected {
		if i == index {
			return true
		}
	}
	return false
}

func seal(cipher *noise.CipherState, sender, count int) transcript {
	whole, err := blake2b.New256(nil)
	check(err)
	result := transcript{Count: count, Selected: []record{}}
	for index := 0; index < count; index++ {
		sealed, err := cipher.Encrypt(nil, nil, recordPayload(sender, index))
		check(err)
		whole.Write(sealed)
		if isSelected(index) || index == count-1 {
			result.Selected = append(result.Selected, record{index, hex.EncodeToString(sealed)})
		}
		if (index+1)%rekeyInterval == 0 {
			cipher.Rekey()
		}
	}
	result.Blake2b = hex.EncodeToString(whole.Sum(nil))
	return result
}

func makeVector(d description) vector {
	is, ie := secret(d.name, "initiator static"), secret(d.name, "initiator ephemeral")
	rs, re := secret(d.name, "responder static"), secret(d.name, "responder ephemeral")
	initiator, err := noise.NewHandshakeState(noise.Config{CipherSuite: suite, Pattern: noise.HandshakeXK,
		Initiator: true, Prologue: d.prologue, StaticKeypair: pair(is), PeerStatic: pair(rs).Public,
		Random: bytes.NewReader(ie)})
	check(err)
	responder, err := noise.NewHandshakeState(noise.Config{CipherSuite: suite, Pattern: noise.HandshakeXK,
		Prologue: d.prologue, StaticKeypair: pair(rs), Random: bytes.NewReader(re)})
	check(err)

	result := vector{Name: d.name, Prologue: hex.EncodeToString(d.prologue),
		InitiatorStatic: hex.EncodeToString(is), InitiatorEphemeral: hex.EncodeToString(ie),
		ResponderStatic: hex.EncodeToString(rs), ResponderEphemeral: hex.EncodeToString(re)}
	sides := [2]*noise.HandshakeState{initiator, responder}
	var ciphers [2]*noise.CipherState
	for turn, payload := range d.payloads {
		var written []byte
		written, ciphers[0], ciphers[1], err = sides[turn%2].WriteMessage(nil, payload)
		check(err)
		_, _, _, err = sides[1-turn%2].ReadMessage(nil, written)
		check(err)
		result.Messages = append(result.Messages, message{hex.EncodeToString(payload), hex.EncodeToString(written)})
	}
	result.HandshakeHash = hex.EncodeToString(initiator.ChannelBinding())
	for sender, cipher := range ciphers {
		result.Records[sender] = seal(cipher, sender, d.counts[sender])
	}
	return result
}

func main() {
	result := document{Protocol: "Noise_XK_25519_ChaChaPoly_SHA256", RekeyInterval: rekeyInterval}
	for _, d := range descriptions() {
		result.Vectors = append(result.Vectors, makeVector(d))
	}
	text, err := json.MarshalIndent(result, "", " ")
	check(err)
	fmt.Println(string(text))
}

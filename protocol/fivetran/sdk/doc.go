// Package sdk is the wire of a Fivetran source connector: the messages and the
// service of the Partner SDK, version 2. The connector is the server, the
// platform the client. connector.proto is written from the published facts of
// the protocol; make proto generates the code from it.
package sdk

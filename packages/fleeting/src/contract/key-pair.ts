/** An SSH key with both its halves. */
export interface KeyPair {
  /** OpenSSH or PEM. */
  readonly privateKey: string
  /** As in `authorized_keys`: `ssh-ed25519 AAAA…`. */
  readonly publicKey: string
}

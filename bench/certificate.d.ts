/** Both in PEM. */
export function selfSignedCertificate(commonName: string): { readonly key: string; readonly cert: string }

// `longhaul/longhaul_bg.wasm` and `longhaul/longhaul_documents_bg.wasm`, for tools that turn an
// imported file into its address.

declare const address: string;
// biome-ignore lint/style/noDefaultExport: bundlers export the address like this
export default address;

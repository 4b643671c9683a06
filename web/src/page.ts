// What the server has written into the page.

function meta(name: string): string | undefined {
  const content = document.querySelector<HTMLMetaElement>(`meta[name="rollcall:${name}"]`)?.content;
  // As it stands in the source: the page was not served by Rollcall but by `npm run dev`.
  return content?.startsWith('{{') ? undefined : content;
}

/** Where Socket.IO answers. */
export const SOCKET_PATH = meta('socket-path') ?? '/socket.io/';
/** Whether new accounts may be made. */
export const REGISTRATION = meta('registration') !== 'false';

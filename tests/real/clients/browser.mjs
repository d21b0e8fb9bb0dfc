// What a browser does when somebody logs in: it goes where it is sent, with its cookies, until it
// is sent back to the client.

/** Returns the address of the client to which the user is sent back. */
export async function login(start, back) {
  const cookies = new Map();
  let url = new URL(start);
  for (let step = 0; step < 20; step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (!location) {
      throw new Error(`${url}: ${response.status} ${await response.text()}`);
    }
    url = new URL(location, url);
    if (url.href.startsWith(back)) {
      return url;
    }
  }
  throw new Error('it is sent on and on');
}

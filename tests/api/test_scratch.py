from datetime import timedelta
from tests.api.story import *
from tests.api.people import *
async def test_x(begun):
    print([ (r.path, getattr(r,'methods',None)) for r in begun.door.app.routes])
    print(await begun.reasons(RECOMMENDATION, "song", "duet"))
    v = await begun.publish(RECOMMENDATION, "opt_out", texts={"en":"other"})
    await begun.publish(MUSIC, "opt_out", texts={"en":"other"})
    await begun.deliver(MUSIC+":2","ana")
    print(await begun.reasons(MUSIC, "song", "duet"))
    await begun.door.advance(timedelta(days=30))
    print(await begun.check(MUSIC, "song", "duet"))
    b=begun.door
    for j in ['{"use":"a\\u0000","content":["a"]}','{"use":"a","content":["\\ud800"]}','{"use":"a","content":["a"],"consistency":{"at_least":1000}}', '{"use":"a","content":["a"]}']:
        r=await b.http.post("/v1/checks",content=j,headers=b.headers(PIPELINE)); print(r.status_code,r.text)
